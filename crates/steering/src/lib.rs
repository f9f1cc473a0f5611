//! The state machine of a run: events and time in, orders and their reasons out.
//!
//! No I/O, no clock, no randomness: [`Steering::handle`] is a function of what happened, when, and what was before. The
//! coordinator carries out what it decides; tests and simulations drive it with thousands of invented histories.
//!
//! # Layout
//!
//! **What goes in and out**
//!
//! - `options`, `course`, `event`: what goes in.
//! - `order`, `epoch`, `recovery`: what comes out.
//! - `steering`: passes each event on.
//!
//! **A generation**
//!
//! - `forming`: forms it. `selection`: whom it takes.
//! - `training`, `evaluating`: see it through an epoch.
//! - `digest`: compares what its members hold.
//! - `phase`: what the run is doing. `pausing`: what people ask for.
//!
//! **Workers**
//!
//! - `worker`: what is known of one.
//! - `membership`: who comes and is lost. `leaving`: who goes.
//! - `stuck`: who stands still. `straggler`: who is slow.
//! - `failing`, `conduct`: set workers aside. `newcomers`: lets workers in.
//!
//! **States**
//!
//! - `held`, `newest`: how far they are.
//! - `upload`, `saving`, `checkpoints`: how they get to the disk.
//!
//! **Time**
//!
//! - `clock`: stands still while the coordinator does.
//!
//! # Example
//!
//! ```
//! use schedule::{LearningRate, Schedule, Warmup};
//! use std::time::Duration;
//! use steering::{Course, Decision, Event, Options, Order, Start, Steering};
//!
//! let rate = LearningRate { lr: 0.1, schedule: Schedule::default(), warmup: Warmup::default() };
//! let course = Course { epochs: 1, batch_size: 8, shards: 1, train_samples: 64, test_samples: 10, classes: 10, rate };
//! let failure_timeout = Duration::from_secs(10);
//! let options = Options { course, workers: 1, min_workers: 1, failure_timeout, checkpoint_every: None };
//! let mut steering = Steering::new(options, Start::fresh(0.1));
//!
//! let attached = Event::Attached { name: "w".to_owned(), host: "10.0.0.1".to_owned(), held: None, generation: 0 };
//! steering.handle(Duration::ZERO, 1, attached);
//! // It can train: generation 1 begins.
//! let prepared = Event::Prepared { stretch: Duration::ZERO, shard: Duration::ZERO };
//! let decisions = steering.handle(Duration::from_secs(1), 1, prepared);
//! let formed = |decision: &Decision| matches!(decision, Decision::Send { order: Order::Form { generation: 1, .. }, .. });
//! assert!(decisions.iter().any(formed));
//! ```

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
mod pausing;
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
