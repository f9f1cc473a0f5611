//! `cox`: what a person types to look at a run and to ask it.
//!
//! Rendering is pure: messages of the coordinator in, text out. Only [`connect`], [`directory`], [`image`], [`download`] and [`output`] do I/O.
//!
//! # Layout
//!
//! - [`args`] and [`options`]: the command line.
//! - A command a file. To look at a run: [`status`], [`watch`] (a folder: a pure model, its keys and its view, and the terminal), [`history`], [`workers`], [`events`], [`checkpoints`],
//!   [`compare`], [`confusion`], [`plot`](mod@plot), [`grid`], [`evaluate`]; [`query`] and its [`database`]. To steer it: [`stop`], [`pause`]. Others: [`predict`], [`summary`], [`papers`].
//! - [`source`]: where a run is looked at. It is a coordinator ([`connect`], [`lists`], [`steer`]) or a [`directory`].
//! - [`image`] and [`download`] get pictures; [`output`] writes. [`drawing`]: pictures in files. [`thumbnail`]: pictures in letters. [`test_set`]: asked about as a whole.
//! - [`requirement`]: what a run has to have reached. [`settings`]: its settings by name.
//! - [`state`], [`look`] and [`csv`]: how things are shown. What the coordinator shows too is in the crate `view`.
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
pub mod checkpoints;
pub mod compare;
pub mod confusion;
pub mod connect;
pub mod csv;
pub mod database;
pub mod directory;
pub mod download;
pub mod drawing;
pub mod error;
pub mod evaluate;
pub mod events;
pub mod grid;
pub mod history;
pub mod image;
pub mod lists;
pub mod look;
pub mod options;
pub mod output;
pub mod papers;
pub mod pause;
pub mod plot;
pub mod predict;
pub mod query;
pub mod requirement;
pub mod settings;
pub mod source;
pub mod state;
pub mod status;
pub mod steer;
pub mod stop;
pub mod summary;
pub mod test_set;
pub mod thumbnail;
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
            Command::Status(options) => status::status(&url, &options, &output).await,
            Command::History(options) => history::history(&url, &options, &output).await,
            Command::Workers(options) => workers::workers(&url, &options, &output).await,
            Command::Events(options) => events::events(&url, &options, &output).await,
            Command::Checkpoints(options) => checkpoints::checkpoints(&url, &options, &output).await,
            Command::Checkpoint => checkpoints::checkpoint(&Coordinator::connect(&url).await?, &output).await,
            Command::Pause(options) => pause::pause(&Coordinator::connect(&url).await?, &options, &output).await,
            Command::Resume => pause::resume(&Coordinator::connect(&url).await?, &output).await,
            Command::Query(options) => query::query(&url, &options, &output).await,
            Command::Compare(options) => compare::compare(&options, &output).await,
            Command::Plot(options) => plot::plot(&url, &options, &output).await,
            Command::Confusion(options) => confusion::confusion(&url, &options, &output).await,
            Command::Grid(options) => grid::grid(&Coordinator::connect(&url).await?, options, &output).await,
            Command::Evaluate(options) => {
                evaluate::evaluate(&Coordinator::connect(&url).await?, options, &output).await
            }
            Command::Completions(options) => papers::completions(&options, &output),
            Command::Man(options) => papers::man(&options, &output),
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
