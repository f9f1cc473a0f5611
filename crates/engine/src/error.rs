//! What can go wrong in the engine.

use plan::{Blame, Position};
use reduction::ReductionError;
use tch::TchError;
use thiserror::Error;

/// A failure of the engine.
#[derive(Debug, Error)]
pub enum EngineError {
    /// A layer failed.
    #[error(transparent)]
    Network(#[from] network::NetworkError),
    /// No process group came about.
    #[error(transparent)]
    Group(#[from] nccl_rs::Error),
    /// The reduction failed or was given up.
    #[error(transparent)]
    Reduction(#[from] ReductionError),
    /// Another operation of libtorch failed.
    #[error("{operation}: {}", source.to_string().lines().next().unwrap_or_default())]
    Torch {
        /// What was being done.
        operation: &'static str,
        /// libtorch's words.
        source: TchError,
    },
    /// The loss is no longer a number.
    #[error(
        "the loss became {loss} at {position}: the run has diverged, and a lower --lr may help, or this machine is sick"
    )]
    Diverged {
        /// At which step.
        position: Position,
        /// The sum of the step's losses.
        loss: f64,
    },
    /// The loss of others is no longer a number.
    #[error("the loss of the step at {position} became {loss} by what others computed")]
    OtherDiverged {
        /// At which step.
        position: Position,
        /// The sum of the step's losses.
        loss: f64,
    },
    /// The GPU answers nothing any more.
    #[error("the GPU of this worker is out of order, and stays so for this process: {cause}; start the worker again")]
    Dead {
        /// What went wrong first.
        cause: String,
    },
    /// The generation was aborted.
    #[error("generation {generation} was aborted")]
    Aborted {
        /// The one that the command was for.
        generation: u64,
    },
    /// An order that does not fit the state.
    #[error("ordered to {order}, but {state}")]
    OutOfOrder {
        /// What was ordered.
        order: String,
        /// What the engine holds.
        state: String,
    },
    /// The machine has no thread left.
    #[error("cannot start the thread {name}: {source}")]
    Thread {
        /// What it was for.
        name: &'static str,
        /// The system's words.
        source: std::io::Error,
    },
    /// The state of a checkpoint did not come.
    #[error("checkpoint {checkpoint} did not come from the coordinator: {cause}")]
    NotGiven {
        /// Its name.
        checkpoint: String,
        /// In words.
        cause: String,
    },
    /// A test has asked for it.
    #[error("this step was made to fail")]
    Asked,
    /// What was received is not what was sent.
    #[error("the state that came is not the one that was to come")]
    NotWhole,
    /// What is held is not what was written there.
    #[error("the state in memory is not what was put there: its digest has changed")]
    Altered,
    /// The others cannot reach this worker.
    #[error("{host} is no address of this machine ({source}); give it one of its own with --host or COXSWAIN_HOST")]
    Address {
        /// As given or found.
        host: String,
        /// The system's words.
        source: std::io::Error,
    },
    /// A group of this worker alone did not come about in time.
    #[error(
        "this worker cannot build a process group, not even alone: {cause}; perhaps its name server does not answer"
    )]
    Alone {
        /// The backend's words.
        cause: String,
    },
    /// NCCL does not work on this GPU, even without other workers.
    #[error("NCCL does not work here: {0}; give this worker --backend gloo to go without it")]
    Nccl(nccl_rs::Error),
    /// The state does not fit the model.
    #[error(transparent)]
    State(#[from] checkpoint::Error),
}

impl EngineError {
    /// Names the operation in which libtorch failed.
    pub(crate) fn torch(operation: &'static str) -> impl FnOnce(TchError) -> Self {
        move |source| Self::Torch { operation, source }
    }

    /// Names the thread that could not be started.
    pub(crate) fn thread(name: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Thread { name, source }
    }

    /// Whose failure it is: of this worker alone, or suffered from others.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Diverged { .. } => Blame::Diverged,
            Self::NotGiven { .. } => Blame::Withheld,
            Self::NotWhole | Self::OtherDiverged { .. } | Self::Aborted { .. } => Blame::Suffered,
            Self::Group(error) if !error.is_own() => Blame::Suffered,
            Self::Reduction(error) if !error.is_own() => Blame::Suffered,
            Self::Group(_)
            | Self::Reduction(_)
            | Self::Network(_)
            | Self::Torch { .. }
            | Self::OutOfOrder { .. }
            | Self::Thread { .. }
            | Self::Altered
            | Self::Asked
            | Self::Address { .. }
            | Self::Alone { .. }
            | Self::Nccl(_)
            | Self::Dead { .. }
            | Self::State(_) => Blame::Own,
        }
    }

    /// Whether what is held may be wrong.
    #[must_use]
    pub fn is_of_the_state(&self) -> bool {
        matches!(self, Self::Diverged { .. } | Self::Altered)
    }

    /// Whether the generation was given up on order, which is no failure of this worker.
    #[must_use]
    pub fn is_abort(&self) -> bool {
        match self {
            Self::Reduction(error) => error.is_abort(),
            Self::Aborted { .. } | Self::Group(nccl_rs::Error::Cancelled { .. }) => true,
            _ => false,
        }
    }
}
