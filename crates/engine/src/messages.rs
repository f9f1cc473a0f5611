//! What goes to the engine and comes from it.

use crate::error::EngineError;
use crate::rehearsal::Rehearsal;
use nccl_rs::Backend;
use plan::{ChunkResult, Held, Position, Rates, Totals};
use state::State;
use std::sync::mpsc;

/// A worker's place in a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formation {
    /// The number of the generation. A run counts them from 1.
    pub generation: u64,
    /// This worker's rank.
    pub rank: u32,
    /// The number of ranks.
    pub world_size: u32,
}

/// Where the state of a generation comes from.
#[derive(Debug)]
pub enum StateSource {
    /// From this or another rank, which holds it.
    Held,
    /// From this rank, which is being given it. Whoever does that beats for the engine meanwhile
    /// ([`Control::beat`](crate::Control::beat)).
    Given(mpsc::Receiver<Result<State, EngineError>>),
    /// From the run's seed.
    Initial,
}

/// What the engine is told to do. Commands of a generation that is over are passed over.
#[derive(Debug)]
pub enum Command {
    /// Takes a place in a generation; rank 0 opens the rendezvous store.
    Form(Formation),
    /// Builds the process group over the store at host and port.
    Connect {
        /// The generation that the group is for.
        generation: u64,
        /// Where rank 0 is.
        host: String,
        /// The store's port there.
        port: u16,
        /// What all ranks do collectives with.
        backend: Backend,
    },
    /// Takes over one rank's state.
    Synchronise {
        /// The generation whose ranks do it together.
        generation: u64,
        /// Whose state.
        source_rank: u32,
        /// Where that rank has it from.
        source: StateSource,
        /// Its digest, where it is known.
        digest: Option<u64>,
    },
    /// Trains to the end of an epoch.
    Train {
        /// The generation whose ranks do it together.
        generation: u64,
        /// The epoch, counted from 0.
        epoch: u32,
        /// Its first step to be done.
        first_step: u32,
        /// The epoch's.
        rates: Rates,
        /// Steps between two digests of the state.
        digest_every: u32,
        /// Steps between two checkpoints of the state; 0: none.
        save_every: u32,
        /// For what order the state is sent for those; `None`: another member does.
        ticket: Option<u64>,
    },
    /// Evaluates chunks of the test set.
    Evaluate {
        /// The generation whose ranks share the chunks.
        generation: u64,
        /// The epoch that was trained last, counted from 0.
        epoch: u32,
        /// The numbers of the chunks that this rank takes.
        chunks: std::ops::Range<u32>,
    },
    /// Gives a copy of the state to be sent.
    Upload {
        /// Of the order.
        ticket: u64,
    },
    /// Says what is held.
    Attest {
        /// The number of the question.
        request: u64,
    },
    /// Rehearses a step.
    Rehearse,
}

impl Command {
    /// The generation that it is for; `None` if it is for none.
    pub(crate) fn generation(&self) -> Option<u64> {
        match self {
            Self::Form(formation) => Some(formation.generation),
            Self::Connect { generation, .. }
            | Self::Synchronise { generation, .. }
            | Self::Train { generation, .. }
            | Self::Evaluate { generation, .. } => Some(*generation),
            Self::Upload { .. } | Self::Attest { .. } | Self::Rehearse => None,
        }
    }
}

/// What became of a stretch of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainOutcome {
    /// The next step.
    pub position: Position,
    /// Of the epoch so far.
    pub totals: Totals,
    /// Time spent in steps.
    pub seconds: f64,
    /// Images that the cluster trained in that time.
    pub images: u64,
}

/// What the engine reports.
#[derive(Debug)]
pub enum EngineEvent {
    /// The rendezvous store is open at this port.
    StoreOpened {
        /// The generation that meets at the store.
        generation: u64,
        /// Where the other ranks reach the store on this machine.
        port: u16,
    },
    /// The process group stands.
    Ready {
        /// The generation that the group is for.
        generation: u64,
        /// The state that this worker holds, with its digest.
        held: Option<(Held, u64)>,
    },
    /// A digest of the state.
    Digest {
        /// The generation that computed it.
        generation: u64,
        /// The next step.
        position: Position,
        /// The same on all workers.
        digest: u64,
    },
    /// The epoch is trained.
    EpochDone {
        /// The generation that trained it to its end.
        generation: u64,
        /// What it came to.
        outcome: TrainOutcome,
    },
    /// Training stopped after a step, as asked.
    Halted {
        /// The generation that was asked to halt.
        generation: u64,
        /// What it came to.
        outcome: TrainOutcome,
    },
    /// A chunk of the test set is evaluated.
    Evaluated {
        /// The generation that computed it.
        generation: u64,
        /// The epoch that was trained last, counted from 0.
        epoch: u32,
        /// What it gave.
        result: ChunkResult,
    },
    /// What is held, as asked.
    Attested {
        /// The number of the question.
        request: u64,
        /// It, with its digest.
        held: Option<(Held, u64)>,
    },
    /// A state that was ordered cannot be given.
    NotUploaded {
        /// Of the order.
        ticket: u64,
        /// In words.
        cause: String,
    },
    /// A step was rehearsed, and went well.
    Rehearsed(Rehearsal),
    /// The engine cannot go on.
    Failed {
        /// The generation; 0: outside of any.
        generation: u64,
        /// Why.
        error: EngineError,
    },
}

/// Where the engine is, for people; the last value counts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EngineProgress {
    /// The generation; 0 before the first.
    pub generation: u64,
    /// The next step.
    pub position: Position,
    /// Of the epoch so far.
    pub totals: Totals,
    /// Of the whole cluster, over the last steps.
    pub images_per_second: f64,
    /// Of a step: what this worker did itself.
    pub compute_seconds: f64,
    /// Of a step: what this worker waited for others.
    pub wait_seconds: f64,
}
