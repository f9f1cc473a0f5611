//! Checkpoints on disk.
//!
//! A checkpoint is a directory named after the steps done, with `model.safetensors` (the state dict under the names of
//! the article's PyTorch module), `training.safetensors` (momentum and the epoch's running totals) and `manifest.json`
//! (position, schedule, configuration, figures, and the checksums of the other two). It is written aside and renamed
//! into place, so that one which is there is whole; a text file `latest` names the newest.

mod error;
mod manifest;
mod retention;
mod state;
mod store;
mod tensors;

pub use error::Error;
pub use manifest::{FileDigest, Manifest};
pub use retention::Retention;
pub use state::State;
pub use store::{Found, Saved, Store, read, read_manifest};
pub use tensors::weights_sha256;
