//! Checkpoints on disk.
//!
//! A checkpoint is a directory named after the steps done. It has three files:
//!
//! - `model.safetensors`: the state dict, under the names of the article's PyTorch module;
//! - `training.safetensors`: the slots that only training needs, such as momentum, and the epoch's running totals;
//! - `manifest.json`: position, schedule, configuration, figures, and the checksums of the other two.
//!
//! It is written aside and renamed into place, and renamed out of it before it is removed. So one that is there is whole. A
//! text file `latest` names the newest.
//!
//! What has the name of a checkpoint may be damaged, of a newer version or of another run. Then it counts for nothing, and is
//! kept: it is told by name, never overwritten, and never removed.
//!
//! # Layout
//!
//! - `store`: the directory of a run's checkpoints. `retention`: which of them stay.
//! - `manifest` and `tensors`: what a checkpoint is made of. `read`: reading one, all of it or nothing.
//! - `initial`: the state in which a run begins.
//! - `disk`: writing what survives a loss of power.
//!
//! # Example
//!
//! ```no_run
//! use checkpoint::{Saved, Store, initial_state};
//! use config::RunConfig;
//! use schedule::ScheduleState;
//!
//! let folder = tempfile::tempdir()?;
//! let config = RunConfig::default();
//! let state = initial_state(&config, config.architecture()?.layout());
//! let schedule = ScheduleState::new(config.lr);
//! let store = Store::new(folder.path());
//! let saved = Saved { run_id: "a run", config: &config, schedule: &schedule, evaluation: None, state: &state };
//! let (name, manifest) = store.write(&saved)?;
//! assert_eq!((name.as_str(), manifest.steps_done), ("step-00000000", 0));
//! assert_eq!(checkpoint::read(&store.path(&name))?.1, state);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod disk;
mod error;
mod initial;
mod manifest;
mod read;
mod retention;
mod store;
mod tensors;

pub use error::Error;
pub use initial::{initial_state, slots};
pub use manifest::{FileDigest, Manifest};
pub use read::{read, read_manifest};
pub use retention::{Retention, best};
pub use store::{Found, PassedOver, Saved, Store};
pub use tensors::weights_sha256;
