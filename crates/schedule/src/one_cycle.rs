//! Up to the base rate and down to almost nothing, a rate a step.
//!
//! Source: `torch.optim.lr_scheduler.OneCycleLR`, PyTorch 2.13, with two phases and `cycle_momentum=False`.

use crate::{Rule, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How the rate goes from one end of a phase to the other. PyTorch's name: `anneal_strategy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Anneal {
    /// By half a cosine: slowly at both ends
    #[default]
    Cos,
    /// In a straight line
    Linear,
}

/// The options of `OneCycleLR`, with PyTorch's names; its `max_lr` is the run's rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OneCycle {
    /// The part of the steps in which the rate rises.
    #[schemars(extend("flag" = "pct-start", "exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub pct_start: f64,
    /// The first rate is --lr divided by this.
    #[schemars(range(min = 1.0, max = 1e6))]
    pub div_factor: f64,
    /// The last rate is the first divided by this.
    #[schemars(range(min = 1.0, max = 1e9))]
    pub final_div_factor: f64,
    /// How the rate rises and falls.
    #[schemars(extend("flag" = "anneal"))]
    pub anneal: Anneal,
}

impl Default for OneCycle {
    /// PyTorch's defaults.
    fn default() -> Self {
        Self { pct_start: 0.3, div_factor: 25.0, final_div_factor: 1e4, anneal: Anneal::Cos }
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
            self.anneal.between(initial, max_lr, step / peak)
        } else {
            self.anneal.between(max_lr, last, (step - peak) / (total as f64 - 1.0 - peak))
        }
    }
}

impl Rule for OneCycle {
    fn name(&self) -> &'static str {
        "one-cycle"
    }

    fn by_step(&self, lr: f64, done: u32, span: Span) -> Option<Vec<f64>> {
        let total = u64::from(span.epochs) * u64::from(span.steps);
        let first = u64::from(done) * u64::from(span.steps);
        Some((0..u64::from(span.steps)).map(|step| self.rate(lr, first + step, total)).collect())
    }

    fn spans_the_run(&self) -> bool {
        true
    }
}

impl Anneal {
    /// What lies at `fraction` of the way.
    fn between(self, from: f64, to: f64, fraction: f64) -> f64 {
        match self {
            Self::Cos => to + (from - to) / 2.0 * ((PI * fraction).cos() + 1.0),
            Self::Linear => (to - from) * fraction + from,
        }
    }
}
