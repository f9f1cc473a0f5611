//! What a run is told once, at its start.

use crate::{EpochRecord, Recovery};
use plan::{Position, RunConfig, ScheduleState, Totals};
use std::time::Duration;

/// How a run is steered. None of it changes the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The run.
    pub config: RunConfig,
    /// Workers that are waited for before the first step.
    pub workers: usize,
    /// Workers without which training pauses later on.
    pub min_workers: usize,
    /// A worker not heard of for this long is given up, and so is one that does not come to a generation.
    pub failure_timeout: Duration,
    /// Steps between two checkpoints within an epoch; `None`: only at its end.
    pub checkpoint_every: Option<u32>,
}

/// Where a run begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The last generation that ever was; the next one is above it.
    pub generation: u64,
    /// The epochs that are done, with the schedule after each.
    pub history: Vec<EpochRecord>,
    /// The epoch in which the history begins, and the schedule there. Above 0 where a run goes on from a checkpoint of
    /// another one.
    pub base: (u32, ScheduleState),
    /// The newest checkpoint: name, position, totals.
    pub checkpoint: Option<(String, Position, Totals)>,
    /// The failures that were survived.
    pub recoveries: Vec<Recovery>,
    /// States of generations up to this one are void.
    pub void: u64,
}

impl Start {
    /// A run from its beginning.
    #[must_use]
    pub fn fresh(config: &RunConfig) -> Self {
        let base = (0, ScheduleState::new(config.lr));
        Self { generation: 0, history: Vec::new(), base, checkpoint: None, recoveries: Vec::new(), void: 0 }
    }
}
