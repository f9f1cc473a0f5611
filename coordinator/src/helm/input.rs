//! What the helm takes in.

use crate::helm::Saved;
use checkpoint::State;
use proto::v1;
use steering::WorkerId;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

/// Something that happened.
pub enum Input {
    /// A worker wants to take part.
    Attach {
        /// What it says of itself.
        hello: v1::Hello,
        /// Whether it may.
        answer: oneshot::Sender<Result<Attached, Refusal>>,
    },
    /// A worker reports.
    Report {
        /// Which.
        worker: WorkerId,
        /// What.
        report: v1::Report,
    },
    /// A worker's stream has ended.
    Detached {
        /// Which.
        worker: WorkerId,
        /// In words.
        cause: String,
    },
    /// A worker's state has come.
    State {
        /// Of which generation.
        generation: u64,
        /// The state.
        state: Box<State>,
    },
    /// A checkpoint was written, or was not.
    Saved(Box<Saved>),
    /// The run is to end after the step in progress.
    Stop {
        /// In words.
        reason: String,
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
    Tick,
}

/// A worker that takes part.
pub struct Attached {
    /// By what the helm knows it.
    pub worker: WorkerId,
    /// What it is told to do.
    pub orders: mpsc::Receiver<Result<v1::Order, Status>>,
}

/// Why a worker may not take part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In words.
    pub reason: String,
    /// Whether its name is taken.
    pub duplicate: bool,
}

impl Refusal {
    /// A worker that does not fit the run.
    #[must_use]
    pub fn new(reason: String) -> Self {
        Self { reason, duplicate: false }
    }

    /// A worker whose name is taken.
    #[must_use]
    pub fn duplicate(name: &str) -> Self {
        let reason = format!("a worker named {name} is attached already: give this one another --name");
        Self { reason, duplicate: true }
    }
}
