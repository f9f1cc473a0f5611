//! Where a run is.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How far training has come. Positions are ordered as training goes.
///
/// `step` of `epoch` is the next to be done. If `step` equals the steps of an epoch, the epoch is trained and waits for
/// its evaluation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The epoch, from 0.
    pub epoch: u32,
    /// The step in it, from 0.
    pub step: u32,
}

impl Position {
    /// Steps committed since the run began.
    #[must_use]
    pub fn steps_done(self, steps_per_epoch: u32) -> u64 {
        u64::from(self.epoch) * u64::from(steps_per_epoch) + u64::from(self.step)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}, step {}", u64::from(self.epoch) + 1, self.step)
    }
}

/// Sums over the samples that an epoch has trained so far, the same on every worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// The sum of the samples' cross-entropies, in nats.
    pub loss: f64,
    /// Samples whose most probable class was theirs.
    pub correct: u64,
    /// Samples trained.
    pub samples: u64,
}

impl Totals {
    /// The mean loss; `None` before the first sample.
    #[must_use]
    pub fn mean_loss(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.loss / self.samples as f64)
    }

    /// The fraction of correct answers; `None` before the first sample.
    #[must_use]
    pub fn accuracy(&self) -> Option<f64> {
        (self.samples > 0).then(|| self.correct as f64 / self.samples as f64)
    }
}
