//! What can go wrong in a process group.

use std::{fmt, time::Duration};
use thiserror::Error;

/// What a rank was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Opening or reaching the rendezvous store.
    OpenStore,
    /// Building the group.
    Connect,
    /// All-reduce.
    AllReduce,
    /// All-to-all.
    AllToAll,
    /// All-gather.
    AllGather,
    /// Broadcast.
    Broadcast,
    /// Barrier.
    Barrier,
    /// Aborting the group.
    Abort,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenStore => "opening the rendezvous store",
            Self::Connect => "building the process group",
            Self::AllReduce => "all-reduce",
            Self::AllToAll => "all-to-all",
            Self::AllGather => "all-gather",
            Self::Broadcast => "broadcast",
            Self::Barrier => "barrier",
            Self::Abort => "aborting the process group",
        })
    }
}

/// A failure, with the rank that saw it and what the rank was doing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum Error {
    /// The backend failed: most often because another rank is gone.
    #[error("rank {rank}: {operation} failed: {message}")]
    Backend {
        /// The rank that saw it.
        rank: u32,
        /// What it was doing.
        operation: Operation,
        /// The backend's words, without its C++ stack.
        message: String,
    },
    /// The time given has passed; the operation may still end.
    #[error("rank {rank}: {operation} did not end within {}.{:03} s", after.as_secs(), after.subsec_millis())]
    Timeout {
        /// The rank that waited.
        rank: u32,
        /// What it was doing.
        operation: Operation,
        /// For how long it waited.
        after: Duration,
    },
    /// The caller gave up.
    #[error("rank {rank}: {operation} was cancelled")]
    Cancelled {
        /// The rank that gave up.
        rank: u32,
        /// What it was doing.
        operation: Operation,
    },
    /// Arguments that no backend could take.
    #[error("rank {rank}: {operation}: {message}")]
    Argument {
        /// The rank of the caller.
        rank: u32,
        /// What it asked for.
        operation: Operation,
        /// What is wrong with it.
        message: String,
    },
    /// This build has no NCCL.
    #[error("this build of coxswain has no NCCL: build it with `--features cuda` against a libtorch for CUDA")]
    NoNccl,
}
