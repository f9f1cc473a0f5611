//! Half a cosine from the base rate down to a floor over the run.
//!
//! Source: `torch.optim.lr_scheduler.CosineAnnealingLR`, PyTorch 2.13, whose recursive form decides the last bits.

use crate::{Epoch, Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::f64::consts::PI;

/// The options of `CosineAnnealingLR`; its `T_max` is the number of epochs of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cosine {
    /// The lowest rate.
    #[schemars(range(min = 0.0), extend("flag" = "min-lr", "value" = "RATE"))]
    pub min_lr: f64,
}

impl Default for Cosine {
    fn default() -> Self {
        Self { min_lr: 1e-6 }
    }
}

impl Cosine {
    /// The rate after `epochs` epochs of `total`, from the one before.
    fn step(&self, rate: f64, base: f64, epochs: u32, total: u32) -> f64 {
        let (t, t_max) = (f64::from(epochs), f64::from(total));
        if (i64::from(epochs) - 1 - i64::from(total)).rem_euclid(2 * i64::from(total)) == 0 {
            return rate + (base - self.min_lr) * (1.0 - (PI / t_max).cos()) / 2.0;
        }
        (1.0 + (PI * t / t_max).cos()) / (1.0 + (PI * (t - 1.0) / t_max).cos()) * (rate - self.min_lr) + self.min_lr
    }
}

impl Rule for Cosine {
    fn name(&self) -> &'static str {
        "cosine"
    }

    fn after(&self, epoch: &Epoch, _: &mut Value) -> (f64, Option<String>) {
        (self.step(epoch.rate, epoch.lr, epoch.done, epoch.span.epochs), None)
    }

    fn spans_the_run(&self) -> bool {
        true
    }

    fn lowest(&self) -> Option<f64> {
        Some(self.min_lr)
    }
}
