//! Checkpoints on disk.
//!
//! A checkpoint is a directory named after the steps done, with `model.safetensors` (the state dict under the names of
//! the article's PyTorch module), `training.safetensors` (momentum and the epoch's running totals) and `manifest.json`
//! (position, schedule, configuration, figures, and the checksums of the other two). It is written aside and renamed
//! into place, and renamed out of it before it is removed, so that one which is there is whole; a text file `latest`
//! names the newest.
//!
//! What has the name of a checkpoint and cannot be understood, because it is damaged, of a newer version or of another
//! run, counts for nothing and is kept: it is told by name, never overwritten, and never removed.

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
pub use retention::Retention;
pub use store::{Found, PassedOver, Saved, Store};
pub use tensors::weights_sha256;
