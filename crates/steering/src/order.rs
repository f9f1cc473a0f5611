//! What is to be done.

use crate::{epoch::EpochRecord, worker::WorkerId};
use plan::{Position, Rates};
use schedule::ScheduleState;
use std::{ops::Range, time::Duration};

/// An order to one worker.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Take a place in a generation.
    Form {
        /// The number of the generation. A run counts them from 1.
        generation: u64,
        /// The worker's rank.
        rank: u32,
        /// Of how many.
        world_size: u32,
        /// The names of the first members, by rank, for people to read.
        members: Vec<String>,
    },
    /// Build the process group.
    Connect {
        /// The generation that the group is for.
        generation: u64,
        /// Where rank 0 is.
        host: String,
        /// The port of its store.
        port: u16,
    },
    /// Take over one member's state, and report its digest.
    Synchronise {
        /// The generation whose members do it together.
        generation: u64,
        /// Whose.
        source_rank: u32,
        /// The checkpoint it has the state from; `None` for what it holds, or the initial one.
        checkpoint: Option<String>,
        /// Whether it is the initial state.
        initial: bool,
        /// The digest of the state, where it is known.
        digest: Option<u64>,
    },
    /// Train to the end of the epoch.
    Train {
        /// The generation whose members do it together.
        generation: u64,
        /// The first step to be done.
        from: Position,
        /// The epoch's.
        rates: Rates,
        /// Report a digest of the state every so many steps, and at the end of the epoch.
        digest_every: u32,
        /// Report a digest every so many steps too. `None`: do not.
        save_every: Option<u32>,
        /// Send the state with each of those, under this number of an order. `None`: another member does.
        upload: Option<u64>,
    },
    /// Stop after a step.
    Halt {
        /// The generation whose members do it together.
        generation: u64,
        /// The epoch, counted from 0.
        epoch: u32,
        /// In words.
        reason: String,
    },
    /// Evaluate chunks of the test set.
    Evaluate {
        /// The generation whose members do it together.
        generation: u64,
        /// After which epoch.
        epoch: u32,
        /// The numbers of the chunks that this member takes.
        chunks: Range<u32>,
    },
    /// Leave all generations, and say what state is held, with its digest.
    Attest {
        /// The number of the question.
        request: u64,
        /// The last generation to leave.
        generation: u64,
    },
    /// Send the state that is held, in or out of a generation.
    Upload {
        /// The number of the order.
        upload: u64,
    },
    /// Be no member for a while; then rehearse a step again, and say that it went well.
    SetAside {
        /// In words.
        reason: String,
        /// For how long.
        pause: Duration,
    },
    /// The generation is over.
    Abort {
        /// The one that is left, with all before it.
        generation: u64,
        /// In words.
        reason: String,
    },
    /// The run needs the worker no longer.
    Dismiss {
        /// In words.
        reason: String,
    },
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done.
    Finished,
    /// On request, saved.
    Stopped,
    /// It cannot go on.
    Failed,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Whether it is finished, was stopped or failed.
    pub outcome: Outcome,
    /// Why, in words.
    pub reason: String,
}

/// What the coordinator has to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Send a worker an order.
    Send {
        /// To whom.
        worker: WorkerId,
        /// What the worker is told to do.
        order: Order,
    },
    /// Give a worker up: end its stream.
    Drop {
        /// Whom.
        worker: WorkerId,
        /// Why, in words.
        reason: String,
        /// Whether what it holds is wrong, so that it must not come back with it.
        corrupt: bool,
    },
    /// A generation begins: to be recorded before any order of it is sent.
    Generation {
        /// Its number, which no generation had before.
        generation: u64,
        /// The names of its members, by rank.
        members: Vec<String>,
        /// Why, in words.
        reason: String,
    },
    /// Epochs from this one on are to be done again: what was recorded of them is void.
    Rewind {
        /// The first.
        epoch: u32,
    },
    /// An epoch is done: to be recorded before the next begins.
    Epoch(Box<EpochRecord>),
    /// States of generations up to this one are void: to be recorded before any order that follows from it is sent.
    Void {
        /// The last of them.
        generation: u64,
        /// Why, in words.
        reason: String,
    },
    /// Make the state that has arrived a checkpoint, at this position.
    Checkpoint {
        /// The number of the order that it was sent for.
        upload: u64,
        /// The position that it has.
        held: Position,
        /// The next step: that, or the first of the next epoch.
        position: Position,
        /// The schedule there.
        schedule: ScheduleState,
        /// Test loss and accuracy, where the state was evaluated.
        evaluation: Option<(f64, f64)>,
    },
    /// Tell people.
    Note(String),
    /// Tell people that something is lost, or may be.
    Warning(String),
    /// The run is over, once everything above is done.
    End(Ending),
}
