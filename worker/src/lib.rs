//! A worker: one process a GPU, or on a CPU.
//!
//! A worker attaches to a coordinator ([`Session`]), which tells it the run; the [`engine`] does what it is told.
//!
//! # Layout
//!
//! - `args`: the command line. `device` and `gpu`: what it computes on.
//! - `session`: from one coordinator to the next. It finds one, prepares, passes orders on to the engine, and reports.
//! - `data` and `state_transfer`: what is large and comes over a connection of its own.
//!
//! # Example
//!
//! ```no_run
//! use std::ffi::OsString;
//! use worker::Args;
//!
//! let args = Args::read(&["worker", "--cpu", "--coordinator", "node-1:50051"].map(OsString::from))?;
//! assert_eq!(args.coordinator, "http://node-1:50051");
//! # Ok::<(), program::Usage>(())
//! ```

mod args;
mod data;
mod device;
mod error;
mod gpu;
mod session;
mod state_transfer;

pub use args::Args;
pub use data::check as check_data;
pub use device::{device, device_name, has_bf16};
pub use error::Error;
pub use session::Session;
