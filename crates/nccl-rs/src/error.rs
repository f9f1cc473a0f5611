//! What can go wrong in a process group.

use std::{fmt, time::Duration};
use thiserror::Error;

/// What a rank was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Serving the rendezvous store.
    Serve,
    /// Reaching the rendezvous store.
    Reach,
    /// Listening on the rank's own address.
    Listen,
    /// Building the group.
    Connect,
    /// The sum of a tensor over all ranks, for all of them.
    AllReduce,
    /// A piece from each rank for each other one.
    AllToAll,
    /// A piece from each rank, for all of them.
    AllGather,
    /// A tensor of one rank, for all of them.
    Broadcast,
    /// Waiting until all ranks are there.
    Barrier,
    /// Aborting the group.
    Abort,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serve => "serving the rendezvous store",
            Self::Reach => "reaching the rendezvous store",
            Self::Listen => "listening on its own address",
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
    /// The environment was not prepared for groups on GPUs.
    #[error("{variable} is not set: call nccl_rs::environment::prepare first of all in main")]
    Unprepared {
        /// What is missing.
        variable: &'static str,
    },
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

impl Error {
    /// Whether the failure is this rank's own: of its address, its device or its arguments. Any other may be suffered from a
    /// rank that went away.
    #[must_use]
    pub fn is_own(&self) -> bool {
        /// What libtorch says of a device that is out of order, or out of memory.
        const DEVICE: [&str; 2] = ["CUDA error", "out of memory"];
        match self {
            Self::Backend { operation, message, .. } => {
                matches!(operation, Operation::Serve | Operation::Listen)
                    || DEVICE.iter().any(|words| message.contains(words))
            }
            Self::Argument { .. } | Self::NoNccl | Self::Unprepared { .. } => true,
            Self::Timeout { .. } | Self::Cancelled { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_failure_it_is() {
        let backend = |operation, message: &str| Error::Backend { rank: 1, operation, message: message.to_owned() };
        assert!(backend(Operation::Listen, "cannot assign requested address").is_own());
        assert!(backend(Operation::Serve, "too many open files").is_own());
        assert!(backend(Operation::AllGather, "CUDA error: an illegal memory access was encountered").is_own());
        assert!(!backend(Operation::AllGather, "Connection closed by peer").is_own());
        assert!(!backend(Operation::Reach, "Connection refused").is_own());
    }
}
