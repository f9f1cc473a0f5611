//! Base rate, schedule and warm-up together, and what is remembered between epochs.

use crate::{Epoch, Losses, Schedule, Span, Warmup};
use plan::{BadRates, Rates, number};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All that decides the learning rates of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningRate {
    /// The base rate.
    pub lr: f64,
    /// How it moves from epoch to epoch, or from step to step.
    pub schedule: Schedule,
    /// How it rises at the beginning.
    pub warmup: Warmup,
}

/// Where a schedule is. Saved with every checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleState {
    /// The rate of the epoch to come, without any warm-up.
    #[serde(with = "number")]
    pub rate: f64,
    /// Epochs finished.
    pub epochs: u32,
    /// What the schedule remembers; `null` where it remembers nothing. Earlier versions called it `plateau`.
    #[serde(default, alias = "plateau")]
    pub memory: Value,
}

impl ScheduleState {
    /// The start of a schedule with the base rate `rate`.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self { rate, epochs: 0, memory: Value::Null }
    }
}

impl LearningRate {
    /// The rates of the epoch to come.
    ///
    /// # Errors
    /// If one is no number, as after a loss that was none.
    pub fn of_epoch(&self, state: &ScheduleState, span: Span) -> Result<Rates, BadRates> {
        let rates = self.schedule.rule().by_step(self.lr, state.epochs, span).unwrap_or_else(|| vec![state.rate]);
        Rates::new(self.warmup.applied(rates, state.epochs, span), span.steps)
    }

    /// Moves on after an epoch that came to `losses`. Returns what happened to the rate, in words, where something did.
    pub fn finish_epoch(&self, state: &mut ScheduleState, span: Span, losses: Losses) -> Option<String> {
        state.epochs += 1;
        let before = state.rate;
        let epoch = Epoch { lr: self.lr, rate: before, done: state.epochs, span, losses };
        let (rate, why) = self.schedule.rule().after(&epoch, &mut state.memory);
        state.rate = rate;
        (rate != before).then(|| {
            let why = why.unwrap_or_else(|| format!("{} schedule", self.schedule.name()));
            format!("learning rate {before} -> {rate}: {why}")
        })
    }
}
