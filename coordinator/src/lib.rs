//! The control plane of a run.
//!
//! One thread is at the [`helm`]. It owns the state machine (crate `steering`) and the journal, and carries out what
//! the machine decides. The gRPC services turn messages into its inputs. Predictions and checkpoints have threads of
//! their own, so training never waits for them.
//!
//! # Layout
//!
//! - `args` and `settings`: from flags to a configuration. `begin`: what is in the run directory, and where the run begins.
//! - `run`: from the start to the end of a coordinator. [`helm`]: the thread that steers. `surface`: what it shows and answers.
//! - `serve`: predictions without training. `server`: what both serve on the one port.
//! - `services`: what workers and clients ask. `connections` and `strangers`: how much of it, and from whom.
//! - `journal`, `summary` and `gallery`: what a run leaves behind. `display`: what a person at the terminal sees.
//! - `alerts`: what somebody has to be told at once, and how. `kubeflow`: who is told how far it is. `outgoing`: by HTTP.
//! - `local`: workers on this machine.
//!
//! # Example
//!
//! ```no_run
//! use coordinator::Args;
//! use std::ffi::OsString;
//!
//! let args = Args::read(&["coordinator", "--workers", "4", "--lr", "0.2"].map(OsString::from))?;
//! assert_eq!((args.workers, args.asked.has("lr")), (4, true));
//! # Ok::<(), coordinator::Error>(())
//! ```

mod alerts;
mod args;
mod begin;
mod complete;
mod connections;
mod display;
mod error;
mod gallery;
mod health;
mod helm;
mod journal;
mod kubeflow;
mod local;
mod memory;
mod outgoing;
mod run;
mod serve;
mod server;
mod services;
mod settings;
mod strangers;
mod summary;
mod surface;
mod web;

pub use alerts::AlertArgs;
pub use args::Args;
pub use display::Display;
pub use error::Error;
pub use local::LocalProcesses;
pub use memory::give_back_freed_memory;
pub use run::run;
pub use serve::{ServeArgs, run_serve};
pub use web::{Http, ViewArgs, view};
