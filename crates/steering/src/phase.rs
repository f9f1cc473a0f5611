//! What a run is doing.

use crate::{Stretch, WorkerId};
use plan::{Evaluation, Position, Totals};
use std::{collections::BTreeMap, time::Duration};

/// What a run is doing, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Too few workers.
    Waiting,
    /// The workers build a process group and agree on a state.
    Forming,
    /// Steps are done.
    Training,
    /// The test set is evaluated.
    Evaluating,
    /// A state is on its way to a checkpoint.
    Saving,
    /// Training ends after the step in progress.
    Stopping,
    /// All epochs are done.
    Finished,
    /// Stopped on request, saved.
    Stopped,
    /// It cannot go on.
    Failed,
}

/// What a run is doing and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What.
    pub state: RunState,
    /// Why, in words.
    pub reason: String,
}

/// Why training was asked to stop after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The run is to end.
    Stop,
    /// The set of workers is to change.
    Reform,
}

/// What a run is doing, with what is known while it does.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    Waiting,
    Forming {
        since: Duration,
        /// What each member holds, once its process group stands.
        ready: BTreeMap<WorkerId, (Option<Position>, Totals)>,
    },
    Training {
        epoch: u32,
        halt: Option<Halt>,
    },
    Evaluating {
        epoch: u32,
        totals: Totals,
        evaluation: Evaluation,
        state_arrived: bool,
    },
    /// A state is on its way, and the run ends when it has arrived.
    Saving,
    Over(crate::Ending),
}

/// The members of a generation, by rank.
#[derive(Debug, Clone, Default)]
pub(crate) struct Generation {
    pub number: u64,
    /// In ascending order.
    pub members: Vec<WorkerId>,
    /// What was measured of the epoch in progress.
    pub stretch: Stretch,
}

impl Generation {
    pub fn rank_of(&self, worker: WorkerId) -> Option<usize> {
        self.members.binary_search(&worker).ok()
    }

    pub fn has(&self, worker: WorkerId) -> bool {
        self.rank_of(worker).is_some()
    }
}
