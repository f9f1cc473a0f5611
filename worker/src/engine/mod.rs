//! The training engine: one thread that owns all tensors, commands to it and events from it.

mod commit;
mod control;
mod error;
mod evaluate;
mod optimizer;
mod reduce;
mod replica;
mod shard;
mod step;
mod thread;

pub use commit::{StepOutcome, commit};
pub use control::Control;
pub use error::EngineError;
pub use evaluate::evaluate_chunk;
pub use optimizer::Sgd;
pub use reduce::Reducer;
pub use replica::{Replica, Tail};
pub use shard::forward_backward;
pub(crate) use shard::{idle, to_device};
pub use step::train_step;
pub use thread::{Command, Engine, EngineOptions, Event, Formation, Outcome, Progress, Source};
