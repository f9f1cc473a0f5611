//! The state machine of a run: events and time in, orders and their reasons out.
//!
//! No I/O, no clock, no randomness: [`Steering::handle`] is a function of what happened, when, and what was before. The
//! coordinator carries out what it decides; tests and simulations drive it with thousands of invented histories.

mod digest;
mod epoch;
mod event;
mod membership;
mod options;
mod order;
mod phase;
mod recovery;
mod steering;
mod straggler;
mod stuck;
mod training;
mod worker;

pub use epoch::{EpochRecord, Stretch};
pub use event::{Event, Failure};
pub use options::{Options, Start};
pub use order::{Decision, Ending, Order, Outcome};
pub use phase::{RunState, Status};
pub use recovery::Recovery;
pub use steering::Steering;
pub use worker::{Slow, Worker, WorkerId};
