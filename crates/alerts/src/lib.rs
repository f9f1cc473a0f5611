//! What of a run somebody has to be told at once: a worker that is lost, a run that stands still, a disk that is nearly full.
//!
//! The crate is pure: views of the run and the time in, alerts out. Each alert comes once, when its reason begins. Some have an end,
//! which comes once as well. Whoever gets them decides how they are delivered.
//!
//! # Layout
//!
//! - `alert`: what is told. `rules`: from when on. `lookout`: what was seen before, and what is new.
//! - `workers` and `run`: the reasons, by what they are about.
//!
//! # Example
//!
//! ```
//! use alerts::{Kind, Lookout, Rules, Seen};
//! use proto::v1::{Run, RunState};
//! use std::time::Duration;
//!
//! let mut lookout = Lookout::new(Rules::default());
//! let mut run = Run { reason: "all 20 epochs are done".to_owned(), ..Run::default() };
//! run.set_state(RunState::Training);
//! assert!(lookout.look(&Seen { run: &run, at: Duration::ZERO, disk: None }).is_empty());
//! run.set_state(RunState::Finished);
//! let alerts = lookout.look(&Seen { run: &run, at: Duration::from_secs(1), disk: None });
//! assert_eq!(alerts[0].kind, Kind::RunFinished);
//! ```

mod alert;
mod lookout;
mod rules;
mod run;
mod workers;

pub use alert::{Alert, Kind, Severity, Status};
pub use lookout::{Disk, Lookout, Seen};
pub use rules::Rules;

#[cfg(test)]
mod tests;
