//! Lower the rate when a metric no longer improves.
//!
//! Source: `torch.optim.lr_scheduler.ReduceLROnPlateau`, PyTorch 2.13. Everything in f64.

use crate::number;
use serde::{Deserialize, Serialize};

/// Which way is better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Lower, as of a loss.
    #[default]
    Min,
    /// Higher, as of an accuracy.
    Max,
}

/// What the threshold is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdMode {
    /// A fraction of the best value.
    #[default]
    Rel,
    /// A difference to it.
    Abs,
}

/// The options of `ReduceLROnPlateau`, with PyTorch's names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plateau {
    /// What the rate is multiplied by; below 1.
    pub factor: f64,
    /// Epochs without improvement that are let pass.
    pub patience: u32,
    /// The rate never falls below this.
    pub min_lr: f64,
    /// How much better counts as better.
    pub threshold: f64,
    /// What `threshold` is measured by.
    pub threshold_mode: ThresholdMode,
    /// Epochs after a reduction in which none is counted as bad.
    pub cooldown: u32,
    /// A reduction by no more than this is not made.
    pub eps: f64,
    /// Which way is better.
    pub mode: Mode,
}

impl Default for Plateau {
    /// PyTorch's defaults.
    fn default() -> Self {
        Self {
            factor: 0.1,
            patience: 10,
            min_lr: 0.0,
            threshold: 1e-4,
            threshold_mode: ThresholdMode::Rel,
            cooldown: 0,
            eps: 1e-8,
            mode: Mode::Min,
        }
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
}

impl Plateau {
    /// The rate after an epoch that ended with `metric`.
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
            let plateau = Plateau { factor, patience, cooldown, min_lr: floor, ..Plateau::default() };
            let mut state = PlateauState::default();
            let mut rate = 0.1;
            for metric in metrics {
                let next = plateau.step(&mut state, rate, metric);
                prop_assert!(next <= rate && next >= floor.min(0.1));
                rate = next;
            }
        }
    }

    #[test]
    fn the_state_survives_json_bit_for_bit() {
        for best in [None, Some(0.1 + 0.2), Some(1.0 / 3.0), Some(f64::NEG_INFINITY)] {
            let state = PlateauState { best, bad_epochs: 2, cooldown: 1 };
            let json = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<PlateauState>(&json).unwrap(), state);
        }
    }
}
