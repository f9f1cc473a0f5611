//! Up to the base rate and down to almost nothing, a rate a step.
//!
//! Source: `torch.optim.lr_scheduler.OneCycleLR`, PyTorch 2.13, with `anneal_strategy="cos"`, two phases, and
//! `cycle_momentum=False`.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The options of `OneCycleLR`, with PyTorch's names; its `max_lr` is the run's rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneCycle {
    /// The part of the steps in which the rate rises.
    pub pct_start: f64,
    /// The first rate is `max_lr / div_factor`.
    pub div_factor: f64,
    /// The last rate is the first divided by this.
    pub final_div_factor: f64,
}

impl Default for OneCycle {
    /// PyTorch's defaults.
    fn default() -> Self {
        Self { pct_start: 0.3, div_factor: 25.0, final_div_factor: 1e4 }
    }
}

impl OneCycle {
    /// The rate of `step` of `total` steps.
    #[must_use]
    pub fn rate(&self, max_lr: f64, step: u64, total: u64) -> f64 {
        let initial = max_lr / self.div_factor;
        let last = initial / self.final_div_factor;
        let peak = self.pct_start * total as f64 - 1.0;
        let step = step as f64;
        if step <= peak {
            anneal(initial, max_lr, step / peak)
        } else {
            anneal(max_lr, last, (step - peak) / (total as f64 - 1.0 - peak))
        }
    }
}

fn anneal(from: f64, to: f64, fraction: f64) -> f64 {
    to + (from - to) / 2.0 * ((PI * fraction).cos() + 1.0)
}
