//! What steering has to know of a run.

use plan::{Held, Steps};
use schedule::{LearningRate, Span};

/// How long a run is, how it is cut, and how its learning rate moves. A part of its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Passes over the training set.
    pub epochs: u32,
    /// Images of one step, over all workers.
    pub batch_size: u32,
    /// Logical shards of a step.
    pub shards: u32,
    /// Images of the training set.
    pub train_samples: u32,
    /// Images of the test set.
    pub test_samples: u32,
    /// Classes of both.
    pub classes: usize,
    /// How the learning rate moves.
    pub rate: LearningRate,
}

impl Course {
    /// The steps of an epoch.
    #[must_use]
    pub fn steps(&self) -> Steps {
        Steps::new(self.train_samples, self.batch_size)
    }

    /// Whether a state has been through as many images of the epoch as there are up to its position.
    pub(crate) fn adds_up(&self, held: &Held) -> bool {
        let images = u64::from(held.position.step) * u64::from(self.batch_size);
        held.totals.samples == images.min(u64::from(self.train_samples))
    }

    /// How long it is.
    #[must_use]
    pub fn span(&self) -> Span {
        Span { epochs: self.epochs, steps: self.steps().count() }
    }
}
