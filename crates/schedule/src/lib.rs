//! How the learning rate moves. Schedules have PyTorch's semantics in f64, to the bit. Only `linear` is rounded
//! otherwise.
//!
//! Nothing here reads a clock or a file. The coordinator computes the rates of an epoch, and sends them.
//!
//! # Layout
//!
//! - `schedule`: the list of schedules, and what each has to say ([`Rule`]).
//! - A schedule a file, with its settings: `plateau`, `multistep`, `cosine`, `linear`, `one_cycle`, `constant`.
//! - `warmup`: a rise at the beginning, of any schedule.
//! - `rate`: base rate, schedule and warm-up together, and what is remembered between epochs.
//!
//! # Example
//!
//! ```
//! use schedule::{LearningRate, Losses, MultiStep, Schedule, ScheduleState, Span, Warmup};
//!
//! // Two epochs of three steps; a tenth of the rate after the first.
//! let schedule = Schedule::Multistep(MultiStep { milestones: vec![1], gamma: 0.1 });
//! let rate = LearningRate { lr: 0.5, schedule, warmup: Warmup::default() };
//! let span = Span { epochs: 2, steps: 3 };
//! let mut state = ScheduleState::new(rate.lr);
//! assert_eq!(rate.of_epoch(&state, span)?.of_step(2), 0.5);
//! rate.finish_epoch(&mut state, span, Losses { train: 1.0, test: 1.0 });
//! assert_eq!(rate.of_epoch(&state, span)?.of_step(0), 0.05);
//! # Ok::<(), plan::BadRates>(())
//! ```

mod constant;
mod cosine;
mod linear;
mod multistep;
mod one_cycle;
mod plateau;
mod rate;
mod schedule;
mod warmup;

pub use constant::Constant;
pub use cosine::Cosine;
pub use linear::Linear;
pub use multistep::MultiStep;
pub use one_cycle::{Anneal, OneCycle};
pub use plateau::{Mode, Plateau, PlateauState, ThresholdMode, Watched};
pub use rate::{LearningRate, ScheduleState};
pub use schedule::{Epoch, Losses, Rule, Schedule, Span};
pub use warmup::Warmup;
