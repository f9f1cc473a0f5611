//! What a person reads of a run, written once: for the coordinator's terminal and for `cox`.
//!
//! Everything is pure: messages and numbers in, text without colours out.
//!
//! # Layout
//!
//! - `text`: numbers, times, rates.
//! - `bar` and `table`: what is drawn of letters.
//! - `state`: the states of a run in words, and whether one is its end.
//! - `progress`: how far a run is.
//! - `pace`: how often those who look on are told.
//! - `epochs`: the article's line of a finished epoch.
//! - [`records`]: what a run has been through, as messages.
//! - `listed`: the items of lists as JSON. `json`: the run as JSON, for scripts and for the page.
//!
//! # Example
//!
//! ```
//! use proto::v1::{Run, RunState};
//!
//! let mut run = Run { epoch: 1, step: 5, steps_per_epoch: 10, ..Run::default() };
//! run.set_state(RunState::Training);
//! let progress = view::Progress::of(&run);
//! assert_eq!(format!("{} {}", view::word(run.state()), view::bar(progress.of_epoch(), 4)), "training ██░░");
//! assert_eq!(view::duration(187.0), "3m07s");
//! ```

mod bar;
mod epochs;
mod json;
mod listed;
mod pace;
mod progress;
pub mod records;
mod state;
mod table;
mod text;

pub use bar::bar;
pub use epochs::{epoch_line, epochs_after, epochs_done, last_epochs};
pub use json::{EpochView, RecoveryView, RunView, WorkerView};
pub use listed::{CheckpointView, EventView, GenerationView};
pub use pace::pace;
pub use progress::Progress;
pub use state::{is_over, word};
pub use table::{Align, table};
pub use text::{duration, percent, ranges, rate, speed, thousands};
