//! What happens to a run.

use crate::Stretch;
use plan::{ChunkResult, Position, Totals};

/// Why a worker's generation cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In the worker's words.
    pub message: String,
    /// Whether a new generation would fail the same way.
    pub fatal: bool,
}

/// What happened. Reports of a generation that is over are passed over.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A worker has come.
    Attached {
        /// Its name, which no attached worker has.
        name: String,
        /// The address under which the others reach it.
        host: String,
        /// The state that it holds of this run.
        held: Option<Position>,
        /// The last generation that it was told of; 0: none.
        generation: u64,
    },
    /// A worker has the data set and a model: from now on it can be a member.
    Prepared,
    /// A worker's stream has ended.
    Detached {
        /// In words.
        cause: String,
    },
    /// Rank 0 serves the rendezvous store.
    StoreOpened {
        /// Of which generation.
        generation: u64,
        /// The port.
        port: u16,
    },
    /// A member's process group stands.
    Ready {
        /// Of which generation.
        generation: u64,
        /// The state that it holds.
        held: Option<Position>,
        /// Of the epoch that it is in.
        totals: Totals,
    },
    /// A sign of life, and where the worker is.
    Progress {
        /// Of which generation.
        generation: u64,
        /// The next step.
        position: Position,
        /// Counts what its engine does; it stands still where that is stuck.
        pulse: u64,
        /// Whether its engine waits for others or for orders.
        waiting: bool,
        /// What the worker does itself of a step, in seconds; 0 before the first.
        compute: f64,
    },
    /// A digest of a member's state.
    Digest {
        /// Of which generation.
        generation: u64,
        /// The next step.
        position: Position,
        /// Of parameters, running statistics and momentum.
        digest: u64,
    },
    /// A member has trained the epoch to its end.
    EpochDone {
        /// Of which generation.
        generation: u64,
        /// Of the epoch.
        totals: Totals,
        /// What was measured.
        stretch: Stretch,
    },
    /// A member has stopped after a step, as ordered.
    Halted {
        /// Of which generation.
        generation: u64,
        /// The next step.
        position: Position,
        /// Of the epoch so far.
        totals: Totals,
        /// What was measured.
        stretch: Stretch,
    },
    /// A member has evaluated its part of the test set.
    Evaluated {
        /// Of which generation.
        generation: u64,
        /// Its part.
        results: Vec<ChunkResult>,
    },
    /// A member's state has arrived.
    StateArrived {
        /// Of which generation.
        generation: u64,
        /// Where it is.
        position: Position,
    },
    /// A member's generation cannot go on.
    Failed {
        /// Of which generation.
        generation: u64,
        /// Why.
        failure: Failure,
    },
    /// The worker wants to go after the next step.
    Leaving {
        /// In words.
        reason: String,
    },
}
