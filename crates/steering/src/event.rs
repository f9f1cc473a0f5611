//! What happens to a run.

use crate::epoch::Stretch;
use plan::{Blame, ChunkResult, Held, Position, Totals};
use std::time::Duration;

/// Why a worker cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// In the worker's words.
    pub message: String,
    /// Whose it is.
    pub blame: Blame,
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
        held: Option<Held>,
        /// The last generation that it was told of; 0: none.
        generation: u64,
    },
    /// A worker has the data set and a model, and has rehearsed a step. From now on it can be a member.
    Prepared {
        /// The longest that its engine did not beat in the rehearsal.
        stretch: Duration,
        /// How long the shard took that it rehearsed. Zero: it does not say.
        shard: Duration,
    },
    /// A worker's stream has ended.
    Detached {
        /// In words.
        cause: String,
    },
    /// Rank 0 serves the rendezvous store.
    StoreOpened {
        /// The generation that it says this of.
        generation: u64,
        /// Where other members reach the store on its machine.
        port: u16,
    },
    /// A member's process group stands.
    Ready {
        /// The generation that it says this of.
        generation: u64,
        /// The state that it holds, with its digest.
        held: Option<(Held, u64)>,
    },
    /// A sign of life, and where the worker is.
    Progress {
        /// The generation that it says this of.
        generation: u64,
        /// The next step.
        position: Position,
        /// Counts what its engine does; it stands still where that is stuck.
        pulse: u64,
        /// Whether its engine waits for others or for orders.
        waiting: bool,
        /// What the worker does itself of a step, in seconds; 0 before the first.
        compute: f64,
        /// The longest that its engine has worked without a beat.
        stretch: Duration,
    },
    /// A digest of a member's state.
    Digest {
        /// The generation that it says this of.
        generation: u64,
        /// The next step.
        position: Position,
        /// Of position, totals, parameters, running statistics and momentum.
        digest: u64,
    },
    /// A member has trained the epoch to its end.
    EpochDone {
        /// The generation that it says this of.
        generation: u64,
        /// The epoch, counted from 0.
        epoch: u32,
        /// Of the epoch.
        totals: Totals,
        /// What was measured.
        stretch: Stretch,
    },
    /// A member has stopped after a step, as ordered.
    Halted {
        /// The generation that it says this of.
        generation: u64,
        /// The next step.
        position: Position,
        /// What was measured.
        stretch: Stretch,
    },
    /// A member has evaluated its part of the test set.
    Evaluated {
        /// The generation that it says this of.
        generation: u64,
        /// After which epoch.
        epoch: u32,
        /// Its part.
        results: Vec<ChunkResult>,
    },
    /// A worker says what it holds, as asked.
    Attested {
        /// The number of the question.
        request: u64,
        /// What it holds, with its digest.
        held: Option<(Held, u64)>,
    },
    /// A piece of a worker's state has come.
    UploadMoved {
        /// The number of the order.
        upload: u64,
    },
    /// A worker's state has come, whole.
    StateArrived {
        /// The number of the order.
        upload: u64,
        /// Where it is.
        position: Position,
        /// The digest of what has come.
        digest: u64,
    },
    /// A worker's state does not come.
    UploadFailed {
        /// The number of the order.
        upload: u64,
        /// In words.
        cause: String,
    },
    /// A worker cannot go on.
    Failed {
        /// In which generation; 0: outside of any, as in a rehearsal.
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
