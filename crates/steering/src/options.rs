//! What a run is told once, at its start.

use crate::{course::Course, epoch::EpochRecord, recovery::Recovery};
use plan::{Position, Totals};
use schedule::ScheduleState;
use std::time::Duration;

/// How a run is steered. None of it changes the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What the run consists of: epochs, steps, shards, schedule.
    pub course: Course,
    /// Workers that are waited for before the first step.
    pub workers: usize,
    /// Training pauses later on if there are fewer workers.
    pub min_workers: usize,
    /// A worker that is not heard of for this long is given up. So is one that does not come to a generation.
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
    /// The epoch and the schedule where the run begins if its history is empty. The epoch is above 0 if the epochs
    /// before the checkpoint are of another run, or their figures are lost.
    pub base: (u32, ScheduleState),
    /// The newest checkpoint: name, position, totals.
    pub checkpoint: Option<(String, Position, Totals)>,
    /// The failures that were survived.
    pub recoveries: Vec<Recovery>,
    /// States of generations up to this one are void.
    pub void: u64,
}

impl Start {
    /// A run from its beginning, whose base learning rate is `lr`.
    #[must_use]
    pub fn fresh(lr: f64) -> Self {
        let base = (0, ScheduleState::new(lr));
        Self { generation: 0, history: Vec::new(), base, checkpoint: None, recoveries: Vec::new(), void: 0 }
    }
    /// Epochs that are done.
    #[must_use]
    pub fn epochs_done(&self) -> u32 {
        self.history.last().map_or(self.base.0, |record| record.epoch + 1)
    }

    /// Whether a run of that many `epochs` has nothing left to do. All its epochs are recorded, and the state after the
    /// last of them is on disk.
    #[must_use]
    pub fn is_complete(&self, epochs: u32) -> bool {
        let end = Position { epoch: epochs, step: 0 };
        self.epochs_done() >= epochs && self.checkpoint.as_ref().is_some_and(|(_, saved, _)| *saved >= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RunState, Steering};
    use schedule::{LearningRate, Schedule, Warmup};

    fn options() -> Options {
        let rate = LearningRate { lr: 0.1, schedule: Schedule::default(), warmup: Warmup::default() };
        let course = Course {
            epochs: 2,
            batch_size: 128,
            shards: 1,
            train_samples: 50_000,
            test_samples: 10_000,
            classes: 10,
            rate,
        };
        let failure_timeout = Duration::from_secs(10);
        Options { course, workers: 2, min_workers: 1, failure_timeout, checkpoint_every: None }
    }

    /// The figures of epochs 1 and 2 are lost: what is known is the checkpoint.
    fn start(recorded: u32, saved: Position) -> Start {
        let checkpoint = Some(("step".to_owned(), saved, Totals::default()));
        Start { base: (recorded, ScheduleState::new(0.1)), checkpoint, ..Start::fresh(0.1) }
    }

    #[test]
    fn a_run_that_is_complete_is_over_before_it_begins() {
        let start = start(2, Position { epoch: 2, step: 0 });
        assert!(start.is_complete(2));
        let mut steering = Steering::new(options(), start);
        let status = steering.status();
        assert_eq!((status.state, status.reason.as_str()), (RunState::Finished, "all 2 epochs are done"));
        assert_eq!(steering.stop(Duration::ZERO, "a person asked"), []);
        assert_eq!(steering.status().state, RunState::Finished);
    }

    #[test]
    fn it_is_not_complete_before_its_last_state_is_saved_and_evaluated() {
        let at = |epoch, step| Position { epoch, step };
        for (recorded, saved) in [(2, at(1, 391)), (1, at(1, 391)), (2, at(1, 0))] {
            let start = start(recorded, saved);
            assert!(!start.is_complete(2), "{start:?}");
            assert_eq!(Steering::new(options(), start).status().state, RunState::Waiting);
        }
        assert!(!start(2, at(2, 0)).is_complete(3), "it was made longer");
    }
}
