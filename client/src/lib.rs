//! `cox`: what a person types to look at a run and to ask it.
//!
//! Rendering is pure: messages of the coordinator in, text out. Only [`connect`], [`image`], [`download`] and [`output`] do I/O.
//!
//! # Layout
//!
//! - [`args`]: the command line. A command a file: [`status`], [`watch`], [`stop`], [`predict`], [`summary`].
//! - [`connect`] asks the coordinator; [`image`] and [`download`] get pictures; [`output`] writes.
//! - [`workers`], [`state`] and [`look`]: how things are shown. What the coordinator shows too is in the crate `view`.
//! - [`error`]: why a command fails, and with which exit code.
//!
//! # Example
//!
//! ```
//! use client::Args;
//! use std::ffi::OsString;
//!
//! let args = Args::read(&["cox", "status", "--json"].map(OsString::from))?;
//! assert!(args.json);
//! # Ok::<(), program::Usage>(())
//! ```

pub mod args;
pub mod connect;
pub mod download;
pub mod error;
pub mod image;
pub mod look;
pub mod output;
pub mod predict;
pub mod state;
pub mod status;
pub mod stop;
pub mod summary;
pub mod watch;
pub mod workers;

pub use args::Args;
pub use error::Failure;

use args::Command;
use connect::Coordinator;
use output::Output;
use tokio::runtime;

/// As it calls itself.
pub const NAME: &str = "cox";

/// Does what the command line asks for.
///
/// # Errors
/// If it cannot be done; the error says why, and with which code to exit.
pub fn run(args: Args) -> Result<(), Failure> {
    let output = Output::new(args.json);
    let url = args.coordinator;
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Failure::Runtime)?;
    let result = runtime.block_on(async {
        match args.command {
            Command::Status => status::status(&Coordinator::connect(&url).await?, &output).await,
            Command::Watch(options) => watch::watch(&url, &options, &output).await,
            Command::Stop(options) => stop::stop(&Coordinator::connect(&url).await?, &options, &output).await,
            Command::Predict(options) => predict::predict(&Coordinator::connect(&url).await?, options, &output).await,
            Command::Summary(options) => summary::summary(&options, &output),
        }
    });
    // A download that is still under way is not worth waiting for.
    runtime.shutdown_background();
    result
}
