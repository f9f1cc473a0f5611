//! The training engine: one thread that owns all tensors, commands to it and events from it.

mod control;
mod error;
mod evaluate;
mod optimizer;
mod reduce;
mod replica;
mod step;
mod thread;

pub use control::Control;
pub use error::EngineError;
pub use evaluate::evaluate_chunk;
pub use optimizer::Sgd;
pub use reduce::Reducer;
pub use replica::{Replica, Tail};
pub use step::{StepOutcome, train_step};
pub use thread::{Command, Engine, EngineOptions, Event, Formation, Outcome, Progress, Source};
