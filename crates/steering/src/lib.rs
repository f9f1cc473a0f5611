//! The state machine of a run: events and time in, orders and their reasons out.
//!
//! No I/O, no clock, no randomness: [`Steering::handle`] is a function of what happened, when, and what was before. The
//! coordinator carries out what it decides; tests and simulations drive it with thousands of invented histories.

mod checkpoints;
mod clock;
mod conduct;
mod course;
mod digest;
mod epoch;
mod evaluating;
mod event;
mod failing;
mod forming;
mod held;
mod leaving;
mod membership;
mod newcomers;
mod newest;
mod options;
mod order;
mod phase;
mod progress;
mod recovery;
mod saving;
mod selection;
mod steering;
mod straggler;
mod stuck;
mod training;
mod upload;
mod worker;

pub use conduct::Conduct;
pub use course::Course;
pub use epoch::{EpochRecord, Stretch};
pub use event::{Event, Failure};
pub use held::Reached;
pub use options::{Options, Start};
pub use order::{Decision, Ending, Order, Outcome};
pub use phase::{RunState, Status};
pub use recovery::Recovery;
pub use steering::Steering;
pub use worker::{Slow, Worker, WorkerId};
