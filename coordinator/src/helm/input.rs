//! What the helm takes in.

use crate::helm::{asked::Answer, orders::Orders, recorder::Recorded, saver::SavedCheckpoint, uploads::Expected};
use plan::{Position, Totals};
use proto::v1;
use state::State;
use std::time::Instant;
use steering::WorkerId;
use tokio::sync::oneshot;

/// Something that happened.
pub enum HelmInput {
    /// A worker wants to take part.
    Attach {
        /// What it says of itself.
        hello: v1::Hello,
        /// Whether it may.
        answer: oneshot::Sender<Result<Attached, Refusal>>,
    },
    /// A worker reports.
    Report {
        /// When that was received: what counts, however long it takes to be looked at.
        at: Instant,
        /// The worker whose stream it is.
        worker: WorkerId,
        /// The message, as it came.
        report: v1::Report,
    },
    /// A worker's stream has ended.
    Detached {
        /// When.
        at: Instant,
        /// The worker whose stream it is.
        worker: WorkerId,
        /// In words.
        cause: String,
    },
    /// A piece of a worker's state has come.
    StateMoved {
        /// When.
        at: Instant,
        /// For which order.
        expected: Expected,
    },
    /// A worker's state has come.
    State {
        /// When.
        at: Instant,
        /// For which order.
        expected: Expected,
        /// What the worker sent, put together.
        state: Box<State>,
        /// Its digest, of the bytes that came.
        digest: u64,
    },
    /// A worker's state does not come.
    StateFailed {
        /// When.
        at: Instant,
        /// For which order.
        expected: Expected,
        /// In words.
        cause: String,
    },
    /// Something was recorded, or cannot be.
    Recorded(Recorded),
    /// A checkpoint was written, or was not.
    Saved(Box<SavedCheckpoint>),
    /// A checkpoint cannot be read.
    Unreadable {
        /// The name of its folder, such as `step-00000391`.
        name: String,
        /// In words.
        why: String,
        /// The newest one that can: its name, its position and the sums of its epoch.
        instead: Option<(String, Position, Totals)>,
    },
    /// The run is to end after the step in progress.
    Stop {
        /// In words.
        reason: String,
    },
    /// The run is to halt after the step in progress, until it is to go on.
    Pause {
        /// In words.
        reason: String,
        /// Whether it will.
        answer: Answer<()>,
    },
    /// The run is to go on after a pause.
    Resume {
        /// Whether it does.
        answer: Answer<()>,
    },
    /// The newest state is to be saved, after the step in progress.
    Save {
        /// The name of the checkpoint, once it is on disk.
        answer: Answer<String>,
    },
    /// Something that a person would want to know, for the journal. The log has it already.
    Note {
        /// In words.
        text: String,
    },
    /// Why workers do not come, for people who see the run wait for them; empty: nothing is wrong.
    Trouble {
        /// In words.
        text: String,
    },
    /// The run waits for workers that cannot come, and is to end as failed.
    Fail {
        /// In words.
        reason: String,
    },
    /// Time has passed.
    Tick {
        /// When that was noticed.
        at: Instant,
    },
}

/// A worker that takes part.
pub struct Attached {
    /// By what the helm knows it.
    pub worker: WorkerId,
    /// What it is told to do.
    pub orders: Orders,
}

/// Why a worker may not take part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In words.
    pub reason: String,
    /// What it can do about it.
    pub kind: RefusalKind,
}

/// What a worker that may not take part can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// Nothing: it does not fit the run.
    Unfit,
    /// Have another name: its own is taken.
    Duplicate,
    /// Come back in a moment: who has its name may be gone.
    ForNow,
}

impl Refusal {
    /// A worker that does not fit the run.
    #[must_use]
    pub fn new(reason: String) -> Self {
        Self { reason, kind: RefusalKind::Unfit }
    }
}
