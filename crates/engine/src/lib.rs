//! The training engine: the step, and one thread that owns all tensors.
//!
//! It can be used in two ways. A worker gives [`Engine`] commands and gets events from it: that is the thread. A program that
//! trains without a cluster calls [`train_step`] itself, as `examples/alone.rs` does.
//!
//! # Layout
//!
//! **The step**
//!
//! - `step`: one training step.
//! - `input`, `resident`: its batches.
//! - `shard`: forward and backward of a shard.
//! - `commit`: applies the sum over all shards, which comes from the crate `reduction`. Loss and optimiser come from the
//!   crate `learn`.
//! - `replica`: the model with its state.
//! - `hardware`: all that depends on the device.
//! - `digest`: what workers compare.
//!
//! **The thread**
//!
//! - `thread`: obeys the commands in `messages`. `queue` brings them, and `handle` holds the other end.
//! - `train`, `evaluate`, `synchronise`, `rehearsal`: what it is ordered to do.
//! - `reports`, `outgoing`: what it gives back.
//!
//! **Beside it**
//!
//! - `control`: reaches the thread while it is busy.
//! - `profile`, `speed`: where the time goes.
//! - `memory`: keeps freed memory for the next step.
//! - `fault`: faults that tests ask for.
//!
//! # Example
//!
//! ```no_run
//! use config::RunConfig;
//! use engine::Replica;
//! use plan::Position;
//! use tch::Device;
//!
//! let config = RunConfig::default();
//! let mut replica = Replica::new(&config, Device::Cpu)?;
//! assert_eq!(replica.position, None, "it holds nothing yet");
//! let state = checkpoint::initial_state(&config, &replica.layout);
//! replica.load(&state, 1)?;
//! assert_eq!(replica.position, Some(Position { epoch: 0, step: 0 }));
//! assert_eq!(engine::digest(&replica)?, state.digest(1));
//! # Ok::<(), engine::EngineError>(())
//! ```

mod commit;
mod control;
mod digest;
mod error;
mod evaluate;
mod fault;
mod handle;
mod hardware;
mod input;
mod memory;
mod messages;
mod outgoing;
mod profile;
mod queue;
mod rehearsal;
mod replica;
mod reports;
mod resident;
mod shard;
mod speed;
mod step;
mod synchronise;
mod thread;
mod train;

pub use commit::{StepOutcome, commit};
pub use control::Control;
pub use digest::digest;
pub use error::EngineError;
pub use evaluate::evaluate_chunk;
pub use fault::{BadFault, FAULTS, Fault, What};
pub use handle::{Engine, EngineOptions};
pub use hardware::Hardware;
pub use input::{BatchFeed, Samples};
pub use memory::keep_freed_memory;
pub use messages::{Command, EngineEvent, EngineProgress, Formation, StateSource, TrainOutcome};
pub use outgoing::{Outgoing, StateSlot};
pub use profile::{Profile, StepPhase};
pub use rehearsal::Rehearsal;
pub use replica::{Replica, Tail};
pub use resident::Resident;
pub use shard::forward_backward;
pub use step::train_step;
