//! What a run is doing.

use crate::{digest::Digests, epoch::Stretch, saving::Saving, upload::Upload, worker::WorkerId};
use plan::{Evaluation, Held, Position, Totals};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

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
    /// Halted on request, and saved.
    Paused,
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
    /// What the run is doing.
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
        /// What each member holds, with its digest, once its process group stands.
        ready: BTreeMap<WorkerId, Option<(Held, u64)>>,
    },
    Training {
        epoch: u32,
        halt: Option<Halt>,
        /// Members that have reported the end of the epoch, or that they have stopped.
        arrived: BTreeSet<WorkerId>,
    },
    Evaluating {
        epoch: u32,
        totals: Totals,
        evaluation: Evaluation,
        /// The state at the end of the epoch, on its way to a checkpoint.
        state: Arrival,
    },
    /// The newest state is on its way to a checkpoint, outside of any generation.
    Saving(Box<Saving>),
    Over(crate::Ending),
}

/// What became of a state that was asked for.
#[derive(Debug, Clone)]
pub(crate) enum Arrival {
    /// It is on its way.
    Coming(Upload),
    /// It has come, for this order and with this digest.
    Here { upload: u64, digest: u64, by: Upload },
    /// It does not come, and no checkpoint is made of it.
    Missing,
}

impl Arrival {
    /// Whether it has come, for `upload`.
    pub fn is_here(&self, upload: u64) -> bool {
        matches!(self, Self::Here { upload: here, .. } if *here == upload)
    }
}

/// The members of a generation, by rank.
#[derive(Debug, Clone, Default)]
pub(crate) struct Generation {
    pub number: u64,
    /// In ascending order.
    pub members: Vec<WorkerId>,
    /// When it was begun to be formed.
    pub formed: Duration,
    /// When it last committed a step, or was told to train.
    pub stepped: Duration,
    /// When it was told to stop after the step in progress.
    pub halted: Option<Duration>,
    /// What was measured of the epoch in progress.
    pub stretch: Stretch,
    /// The position at which all took a state over, once they were told to.
    pub from: Option<Position>,
    /// The order by which states come while an epoch is trained.
    pub in_passing: Option<u64>,
    /// What its members said of their states.
    pub digests: Digests,
}

impl Generation {
    pub fn rank_of(&self, worker: WorkerId) -> Option<usize> {
        self.members.binary_search(&worker).ok()
    }

    pub fn has(&self, worker: WorkerId) -> bool {
        self.rank_of(worker).is_some()
    }
}
