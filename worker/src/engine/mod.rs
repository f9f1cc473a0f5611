//! The training engine: one thread that owns all tensors, commands to it and events from it.

mod commit;
mod control;
mod digest;
mod error;
mod evaluate;
mod fault;
mod input;
mod messages;
mod optimizer;
mod profile;
mod reduce;
mod replica;
mod reports;
mod resident;
mod shard;
mod speed;
mod step;
mod thread;

pub use commit::{StepOutcome, commit};
pub use control::Control;
pub use digest::digest;
pub use error::EngineError;
pub use evaluate::evaluate_chunk;
pub use fault::{FAULTS, Fault, What};
pub use input::{Input, Samples};
pub use messages::{Command, Event, Formation, Outcome, Progress, Source};
pub use optimizer::Sgd;
pub use profile::{Phase, Profile};
pub use reduce::{Reducer, ReducerOptions, Sum};
pub use replica::{Replica, Tail};
pub use resident::Resident;
pub use shard::forward_backward;
pub(crate) use shard::{idle, to_device, to_device_async};
pub use step::train_step;
pub use thread::{Engine, EngineOptions};
