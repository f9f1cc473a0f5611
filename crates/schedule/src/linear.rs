//! A straight line from the base rate down to a floor over the run.
//!
//! Source: `torch.optim.lr_scheduler.LinearLR`, PyTorch 2.13, from a factor of 1 to one of `min_lr / lr`. PyTorch
//! multiplies the rate before, and gathers rounding errors on the way. Here each rate comes from the formula of the
//! line, so that the run ends with `min_lr` to the bit.

use crate::{Epoch, Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the line ends; it begins with the base rate. The `total_iters` of `LinearLR` is the number of epochs of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Linear {
    /// The lowest rate.
    #[schemars(range(min = 0.0), extend("flag" = "min-lr", "value" = "RATE"))]
    pub min_lr: f64,
}

impl Default for Linear {
    /// That of the other schedules with this flag.
    fn default() -> Self {
        Self { min_lr: 1e-6 }
    }
}

impl Rule for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn after(&self, epoch: &Epoch, _: &mut Value) -> (f64, Option<String>) {
        let left = 1.0 - f64::from(epoch.done) / f64::from(epoch.span.epochs);
        (self.min_lr + (epoch.lr - self.min_lr) * left, None)
    }

    fn spans_the_run(&self) -> bool {
        true
    }

    fn lowest(&self) -> Option<f64> {
        Some(self.min_lr)
    }
}
