//! Lower the rate at given epochs. Source: `torch.optim.lr_scheduler.MultiStepLR`, PyTorch 2.13.

use serde::{Deserialize, Serialize};

/// The options of `MultiStepLR`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiStep {
    /// After how many epochs the rate falls; an epoch named twice counts twice.
    pub milestones: Vec<u32>,
    /// What it is multiplied by.
    pub gamma: f64,
}

impl MultiStep {
    /// The rate after `epochs` epochs, from the one before.
    #[must_use]
    pub fn step(&self, rate: f64, epochs: u32) -> f64 {
        let times = self.milestones.iter().filter(|milestone| **milestone == epochs).count();
        if times == 0 { rate } else { rate * self.gamma.powi(times as i32) }
    }
}
