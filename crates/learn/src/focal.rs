//! Focal loss: cross-entropy in which a class that is already well recognised counts less.
//!
//! Source: Lin et al. 2017, *Focal Loss for Dense Object Detection*, equation 4, with softmax for the probabilities. With
//! shares of classes, the mean of the classes' losses by their shares.

use crate::{Objective, Targets};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor, no_grad};

/// The options of focal loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Focal {
    /// How much less a well recognised class counts; 0: no less, as with cross-entropy.
    #[schemars(range(min = 0.0))]
    pub gamma: f64,
}

impl Default for Focal {
    /// The article's.
    fn default() -> Self {
        Self { gamma: 2.0 }
    }
}

/// Log-probabilities above this are taken for this. Else a certain class, of log-probability 0, would divide 0 by 0.
const CERTAIN: f64 = -1e-30;

impl Objective for Focal {
    /// With `p` the probability of a class and `s` its share, the loss is the sum of `-s (1 - p)^gamma log p`. By `p` and
    /// times `p`, that has the slope `s (1 - p)^gamma (gamma p log p / (1 - p) - 1)`. Softmax subtracts from each slope
    /// the sum of all, times the class's own `p`.
    fn of(&self, logits: &Tensor, targets: Targets<'_>, divisor: f64) -> Result<(Tensor, Tensor), TchError> {
        no_grad(|| {
            let shares = targets.shares(logits)?;
            let log_probabilities = logits.f_log_softmax(-1, Kind::Float)?.f_clamp_max(CERTAIN)?;
            let probabilities = log_probabilities.f_exp()?;
            // Not one less the probability, which has lost the last digits.
            let others = log_probabilities.f_expm1()?.f_neg()?;
            let weights = others.f_pow_tensor_scalar(self.gamma)?.f_mul(&shares)?;
            let loss = weights.f_mul(&log_probabilities)?.f_sum(Kind::Float)?.f_neg()?;
            let bend = probabilities.f_mul(&log_probabilities)?.f_div(&others)?.f_mul_scalar(self.gamma)?;
            let slopes = bend.f_sub_scalar(1.0)?.f_mul(&weights)?;
            let sums = slopes.f_sum_dim_intlist(-1, true, Kind::Float)?;
            let gradient = slopes.f_sub(&probabilities.f_mul(&sums)?)?.f_div_scalar(divisor)?;
            Ok((loss, gradient))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use crate::CrossEntropy;
    use tch::Device;

    /// Against the article's formula in f64, and libtorch's autograd. libtorch has no focal loss of softmax.
    fn compare(shares: &Tensor, targets: Targets<'_>) {
        for gamma in [0.0, 0.5, 1.0, 2.0, 5.0] {
            let logits = Tensor::randn([5, 10], (Kind::Float, Device::Cpu)) * 3.0;
            let exact = logits.to_kind(Kind::Double).set_requires_grad(true);
            let probabilities = exact.softmax(-1, Kind::Double);
            let others: Tensor = 1.0 - &probabilities;
            let losses = others.pow_tensor_scalar(gamma) * probabilities.log() * -1.0;
            let theirs = (losses * shares.to_kind(Kind::Double)).sum(Kind::Double);
            (&theirs / 7.0).backward();
            let (loss, gradient) = Focal { gamma }.of(&logits, targets, 7.0).unwrap();
            assert_eq!((loss.kind(), gradient.kind()), (Kind::Float, Kind::Float));
            let (loss, theirs) = (loss.double_value(&[]), theirs.double_value(&[]));
            assert!((loss - theirs).abs() < 1e-5 * theirs.max(1.0), "{gamma}: {loss}, {theirs}");
            let off = (gradient.to_kind(Kind::Double) - exact.grad()).abs().max().double_value(&[]);
            assert!(off < 5e-7, "{gamma}: {off}");
        }
    }

    #[test]
    fn loss_and_gradient_of_classes_are_those_of_the_formula() {
        let labels = Tensor::from_slice(&[3_i64, 0, 9, 3, 5]);
        compare(&labels.one_hot(10), Targets::Classes(&labels));
    }

    #[test]
    fn loss_and_gradient_of_shares_are_those_of_the_formula() {
        let shares = Tensor::randn([5, 10], (Kind::Float, Device::Cpu)).softmax(-1, Kind::Float);
        compare(&shares, Targets::Shares(&shares));
    }

    #[test]
    fn without_gamma_it_is_cross_entropy() {
        let logits = Tensor::randn([5, 10], (Kind::Float, Device::Cpu));
        let labels = Tensor::from_slice(&[3_i64, 0, 9, 3, 5]);
        let (loss, gradient) = Focal { gamma: 0.0 }.of(&logits, Targets::Classes(&labels), 7.0).unwrap();
        let theirs = CrossEntropy::default().of(&logits, Targets::Classes(&labels), 7.0).unwrap();
        assert!((loss - theirs.0).abs().double_value(&[]) < 1e-5);
        assert!((gradient - theirs.1).abs().max().double_value(&[]) < 1e-7);
    }

    /// A model that is certain, and right or wrong: at the limits, nothing is divided by nothing.
    #[test]
    fn certainty_has_the_limits_of_the_formula() {
        let logits = Tensor::from_slice(&[200_f32, 0.0, 0.0, 200.0]).view([2, 2]);
        let classes = Tensor::from_slice(&[0_i64, 0]);
        for gamma in [0.0, 0.5, 1.0, 2.0] {
            let (loss, gradient) = Focal { gamma }.of(&logits, Targets::Classes(&classes), 1.0).unwrap();
            assert_eq!(loss.double_value(&[]), 200.0, "{gamma}");
            let gradient = Vec::<f32>::try_from(gradient.view([-1])).unwrap();
            assert!(gradient[..2].iter().all(|slope| slope.abs() < 1e-14), "{gamma}: {gradient:?}");
            assert_eq!(gradient[2..], [-1.0, 1.0], "{gamma}");
        }
    }
}
