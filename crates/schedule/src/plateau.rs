//! Lower the rate when a metric no longer improves.
//!
//! Source: `torch.optim.lr_scheduler.ReduceLROnPlateau`, PyTorch 2.13. Everything is in f64. What PyTorch does not have
//! is off by default: the metric may be smoothed, and patience may be counted in steps. That makes what a plateau
//! decides in a short run worth something.

use crate::{Epoch, Losses, Rule};
use plan::number;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which way is better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Lower, as of a loss
    #[default]
    Min,
    /// Higher, as of an accuracy
    Max,
}

/// What the threshold is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdMode {
    /// A fraction of the best value
    #[default]
    Rel,
    /// A difference to it
    Abs,
}

/// The loss that a plateau looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Watched {
    /// Of the test set after an epoch: noisy, while the rate is high
    #[default]
    TestLoss,
    /// Of the training set during an epoch
    TrainLoss,
}

impl Watched {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TestLoss => "test loss",
            Self::TrainLoss => "train loss",
        }
    }
}

/// The options of `ReduceLROnPlateau`, with PyTorch's names, and three of our own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Plateau {
    /// What the rate is multiplied by.
    #[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub factor: f64,
    /// Epochs without a better loss that are let pass.
    pub patience: u32,
    /// The lowest rate.
    #[schemars(range(min = 0.0), extend("flag" = "min-lr", "value" = "RATE"))]
    pub min_lr: f64,
    /// How much better a loss has to be to count as better.
    #[schemars(range(min = 0.0))]
    pub threshold: f64,
    /// What the threshold is measured by.
    pub threshold_mode: ThresholdMode,
    /// Epochs after a reduction in which none is counted as bad.
    pub cooldown: u32,
    /// A reduction by no more than this is not made.
    #[schemars(range(min = 0.0))]
    pub eps: f64,
    /// Which way is better.
    pub mode: Mode,
    /// The loss that it looks at.
    pub on: Watched,
    /// The share of earlier losses in what it looks at; 0 is the loss itself.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub smoothing: f64,
    /// Steps without a better loss that are let pass, instead of epochs. They are counted at the ends of epochs.
    pub patience_steps: Option<u32>,
}

impl Default for Plateau {
    /// The article's patience, factor and least rate; else PyTorch's defaults.
    fn default() -> Self {
        Self { factor: 0.5, patience: 5, min_lr: 1e-6, ..Self::of_pytorch() }
    }
}

/// What a plateau remembers between epochs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateauState {
    /// The best metric so far.
    #[serde(with = "number::optional")]
    pub best: Option<f64>,
    /// Epochs since it improved.
    pub bad_epochs: u32,
    /// Epochs of cooldown left.
    pub cooldown: u32,
    /// What was looked at last, where it is smoothed.
    #[serde(default, with = "number::optional")]
    pub smoothed: Option<f64>,
}

impl Plateau {
    /// PyTorch's defaults.
    #[must_use]
    pub fn of_pytorch() -> Self {
        Self {
            factor: 0.1,
            patience: 10,
            min_lr: 0.0,
            threshold: 1e-4,
            threshold_mode: ThresholdMode::Rel,
            cooldown: 0,
            eps: 1e-8,
            mode: Mode::Min,
            on: Watched::default(),
            smoothing: 0.0,
            patience_steps: None,
        }
    }

    /// The rate after an epoch of `steps` steps that came to `losses`.
    #[must_use]
    pub fn step_on(&self, state: &mut PlateauState, rate: f64, losses: Losses, steps: u32) -> f64 {
        let loss = match self.on {
            Watched::TestLoss => losses.test,
            Watched::TrainLoss => losses.train,
        };
        let metric = match state.smoothed.filter(|_| self.smoothing > 0.0) {
            // A loss that is no number is not remembered.
            Some(before) if before.is_finite() => self.smoothing * before + (1.0 - self.smoothing) * loss,
            _ => loss,
        };
        state.smoothed = (self.smoothing > 0.0).then_some(metric);
        let patience = self.patience_steps.map_or(self.patience, |patience| patience / steps.max(1));
        Self { patience, ..self.clone() }.step(state, rate, metric)
    }

    /// The rate after an epoch that ended with `metric`, as PyTorch has it.
    #[must_use]
    pub fn step(&self, state: &mut PlateauState, rate: f64, metric: f64) -> f64 {
        if self.is_better(metric, state.best) {
            state.best = Some(metric);
            state.bad_epochs = 0;
        } else {
            state.bad_epochs += 1;
        }
        // After `best` was updated and before the reduction is tested, as in PyTorch.
        if state.cooldown > 0 {
            state.cooldown -= 1;
            state.bad_epochs = 0;
        }
        if state.bad_epochs <= self.patience {
            return rate;
        }
        // Even if the rate is too low to be reduced.
        state.cooldown = self.cooldown;
        state.bad_epochs = 0;
        let reduced = python_max(rate * self.factor, self.min_lr);
        if rate - reduced > self.eps { reduced } else { rate }
    }

    fn is_better(&self, metric: f64, best: Option<f64>) -> bool {
        let best = best.unwrap_or(match self.mode {
            Mode::Min => f64::INFINITY,
            Mode::Max => f64::NEG_INFINITY,
        });
        match (self.mode, self.threshold_mode) {
            (Mode::Min, ThresholdMode::Rel) => metric < best * (1.0 - self.threshold),
            (Mode::Min, ThresholdMode::Abs) => metric < best - self.threshold,
            (Mode::Max, ThresholdMode::Rel) => metric > best * (self.threshold + 1.0),
            (Mode::Max, ThresholdMode::Abs) => metric > best + self.threshold,
        }
    }
}

impl Rule for Plateau {
    fn name(&self) -> &'static str {
        "plateau"
    }

    fn after(&self, epoch: &Epoch, memory: &mut Value) -> (f64, Option<String>) {
        // What was saved was checked when it was read.
        let mut state: PlateauState = serde_json::from_value(memory.take()).unwrap_or_default();
        let rate = self.step_on(&mut state, epoch.rate, epoch.losses, epoch.span.steps);
        let why = format!(
            "no better {}{} than {:.4} in the last {}",
            if self.smoothing > 0.0 { "smoothed " } else { "" },
            self.on.name(),
            state.best.unwrap_or(f64::INFINITY),
            match self.patience_steps {
                Some(patience) => format!("{patience} steps"),
                None => format!("{} epochs", self.patience + 1),
            }
        );
        // It holds numbers alone, which JSON can always express.
        *memory = serde_json::to_value(state).unwrap_or_default();
        (rate, Some(why))
    }

    fn lowest(&self) -> Option<f64> {
        Some(self.min_lr)
    }

    fn check_memory(&self, memory: &Value) -> Result<(), String> {
        if memory.is_null() {
            return Ok(());
        }
        PlateauState::deserialize(memory).map(drop).map_err(|error| error.to_string())
    }
}

/// Python's `max(a, b)`: `b` only if it is greater.
fn python_max(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_rate_never_rises_nor_falls_below_its_floor(
            metrics in proptest::collection::vec(-10.0..10.0_f64, 0..60),
            factor in 0.01..0.99_f64, patience in 0..4_u32, cooldown in 0..4_u32, floor in 0.0..0.2_f64,
        ) {
            let plateau = Plateau { factor, patience, cooldown, min_lr: floor, ..Plateau::of_pytorch() };
            let mut state = PlateauState::default();
            let mut rate = 0.1;
            for metric in metrics {
                let next = plateau.step(&mut state, rate, metric);
                prop_assert!(next <= rate && next >= floor.min(0.1));
                rate = next;
            }
        }
    }

    fn falls(plateau: &Plateau, losses: &[(f64, f64)], steps: u32) -> Vec<usize> {
        let (mut state, mut rate, mut falls) = (PlateauState::default(), 1.0, Vec::new());
        for (epoch, (train, test)) in losses.iter().enumerate() {
            let next = plateau.step_on(&mut state, rate, Losses { train: *train, test: *test }, steps);
            if next < rate {
                falls.push(epoch);
            }
            rate = next;
        }
        falls
    }

    /// The test loss of a short run: it jumps up and down while the rate is high, and the training loss falls.
    const NOISY: [(f64, f64); 6] = [(1.6, 1.5), (1.2, 1.6), (1.0, 1.0), (0.9, 1.1), (0.8, 0.9), (0.75, 1.0)];

    #[test]
    fn noise_decides_less_where_it_is_smoothed_or_not_looked_at() {
        let plateau = Plateau { patience: 0, ..Plateau::of_pytorch() };
        assert_eq!(falls(&plateau, &NOISY, 100), [1, 3, 5]);
        assert_eq!(falls(&Plateau { on: Watched::TrainLoss, ..plateau.clone() }, &NOISY, 100), [0usize; 0]);
        // 1.5, 1.55, 1.275, 1.1875, 1.04375, 1.021875.
        assert_eq!(falls(&Plateau { smoothing: 0.5, ..plateau }, &NOISY, 100), [1]);
    }

    #[test]
    fn patience_in_steps_is_the_same_for_epochs_of_any_length() {
        let flat = [(1.0, 1.0); 8];
        let plateau = |steps| Plateau { patience_steps: Some(steps), ..Plateau::of_pytorch() };
        // Epochs of 100 steps: three are let pass after the first, which is the best.
        assert_eq!(falls(&plateau(300), &flat, 100), [4]);
        assert_eq!(falls(&plateau(300), &flat, 300), [2, 4, 6]);
        assert_eq!(falls(&plateau(299), &flat, 300), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn the_state_survives_json_bit_for_bit() {
        for best in [None, Some(0.1 + 0.2), Some(1.0 / 3.0), Some(f64::NEG_INFINITY)] {
            let state = PlateauState { best, bad_epochs: 2, cooldown: 1, smoothed: best };
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<PlateauState>(&json).unwrap(), state);
        }
    }
}
