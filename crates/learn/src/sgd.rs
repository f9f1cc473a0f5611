//! Stochastic gradient descent with momentum.
//!
//! Source: `torch.optim.SGD`, PyTorch 2.13, without dampening. With gradient `g`, parameter `p` and momentum `m`:
//! `g += decay * p; m = momentum * m + g; p -= rate * m`, or with Nesterov's momentum `p -= rate * (g + momentum * m)`.

use crate::{StepAt, Update};
use operations::sgd::{self, Factors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::Impossible;
use state::Slot;
use tch::{TchError, Tensor};

/// The momentum: a sum of gradients, of which earlier ones count less.
pub const MOMENTUM: Slot = Slot::of_parameters("momentum");

/// The options of `torch.optim.SGD`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sgd {
    /// The share of the last update that is kept.
    #[schemars(range(min = 0.0), extend("flag" = "momentum", "exclusiveMaximum" = 1.0))]
    pub momentum: f64,
    /// Whether the momentum is Nesterov's.
    #[schemars(extend("flag" = "nesterov"))]
    pub nesterov: bool,
    /// The pull of every parameter towards 0.
    #[schemars(range(min = 0.0), extend("flag" = "weight-decay"))]
    pub weight_decay: f64,
}

impl Default for Sgd {
    /// The article's.
    fn default() -> Self {
        Self { momentum: 0.9, nesterov: false, weight_decay: 5e-4 }
    }
}

impl Update for Sgd {
    fn slots(&self) -> &'static [Slot] {
        &[MOMENTUM]
    }

    fn step(
        &self,
        at: StepAt,
        parameters: &mut Tensor,
        slots: &mut [Tensor],
        gradient: &Tensor,
    ) -> Result<(), TchError> {
        let Self { momentum: kept, nesterov, weight_decay } = *self;
        let weight_decay = if at.decays { weight_decay as f32 } else { 0.0 };
        let factors = Factors { rate: at.rate as f32, momentum: kept as f32, nesterov, weight_decay };
        slots.iter_mut().try_for_each(|momentum| sgd::step(factors, parameters, momentum, gradient))
    }

    fn check(&self) -> Result<(), Impossible> {
        if self.nesterov && self.momentum == 0.0 {
            return Err(Impossible::new("nesterov", self.nesterov, "it needs a --momentum above 0"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    /// A trace of PyTorch's: momentum 0.9, no decay, gradient 1, rate 0.1, from 1.
    #[test]
    fn momentum_builds_up() {
        let sgd = Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
        let mut parameter = Tensor::from_slice(&[1.0_f32]);
        let mut momentum = [Tensor::from_slice(&[0.0_f32])];
        let mut trace = Vec::new();
        for number in 1..=3 {
            let at = StepAt { rate: 0.1, number, decays: true };
            sgd.step(at, &mut parameter, &mut momentum, &Tensor::from_slice(&[1.0_f32])).unwrap();
            trace.push((momentum[0].double_value(&[0]), parameter.double_value(&[0])));
        }
        let expected = [(1.0, 0.9), (1.9, 0.71), (2.71, 0.439)];
        for ((m, p), (m_expected, p_expected)) in trace.iter().zip(expected) {
            assert!((m - m_expected).abs() < 1e-6 && (p - p_expected).abs() < 1e-6, "{trace:?}");
        }
    }
}
