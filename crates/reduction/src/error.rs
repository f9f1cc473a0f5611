//! What can go wrong in a reduction.

use tch::TchError;
use thiserror::Error;

/// A failure of a reduction.
#[derive(Debug, Error)]
pub enum ReductionError {
    /// A collective failed or was given up.
    #[error(transparent)]
    Group(#[from] nccl_rs::Error),
    /// Memory cannot be shared.
    #[error(transparent)]
    Memory(#[from] shared_memory::Error),
    /// Another worker is not there any more.
    #[error("rank {rank} is gone")]
    Gone {
        /// Its place in the generation.
        rank: u32,
    },
    /// Another operation of libtorch failed.
    #[error("{operation}: {}", source.to_string().lines().next().unwrap_or_default())]
    Torch {
        /// What was being done.
        operation: &'static str,
        /// libtorch's words.
        source: TchError,
    },
    /// The generation was aborted.
    #[error("generation {generation} was aborted")]
    Aborted {
        /// The one whose sum it was.
        generation: u64,
    },
    /// A partial sum that others are to read lies where they cannot.
    #[error("ordered to share a partial sum, but it is not in shared memory")]
    NotShared,
    /// Another rank names a vector that it does not have.
    #[error("ordered to add up partial sums, but rank {rank} says that one is in vector {vector}")]
    NoVector {
        /// The rank that says so.
        rank: usize,
        /// The number that it gives, which only its own vectors could have.
        vector: usize,
    },
}

impl ReductionError {
    /// Names the operation in which libtorch failed.
    pub(crate) fn torch(operation: &'static str) -> impl FnOnce(TchError) -> Self {
        move |source| Self::Torch { operation, source }
    }

    /// Whether the failure is this worker's own. Any other may be suffered from a rank that went away.
    #[must_use]
    pub fn is_own(&self) -> bool {
        match self {
            Self::Group(error) => error.is_own(),
            Self::Gone { .. } | Self::Aborted { .. } => false,
            Self::Memory(_) | Self::Torch { .. } | Self::NotShared | Self::NoVector { .. } => true,
        }
    }

    /// Whether the generation was given up on order, which is no failure of this worker.
    #[must_use]
    pub fn is_abort(&self) -> bool {
        matches!(self, Self::Aborted { .. } | Self::Group(nccl_rs::Error::Cancelled { .. }))
    }
}
