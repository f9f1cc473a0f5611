//! The control plane of a run.
//!
//! One thread is at the [`helm`]: it owns the state machine (crate `steering`) and the journal, and carries out what the
//! machine decides. The gRPC services turn messages into its inputs; predictions and checkpoints have threads of their
//! own, so that training never waits for them.

mod args;
mod begin;
mod complete;
mod connections;
mod display;
mod error;
mod helm;
mod journal;
mod local;
mod memory;
mod predict;
mod run;
mod services;
mod settings;
mod strangers;
mod summary;

pub use args::Args;
pub use display::Display;
pub use error::Error;
pub use local::LocalProcesses;
pub use memory::give_back_freed_memory;
pub use predict::{Patience, Picture, PictureError, resize_rgb};
pub use run::run;
