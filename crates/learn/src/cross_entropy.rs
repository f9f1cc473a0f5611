//! Cross-entropy.
//!
//! Source: `torch.nn.functional.cross_entropy` with `label_smoothing`, and autograd, PyTorch 2.13.

use crate::{Objective, Targets};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor, no_grad};

/// The options of `cross_entropy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossEntropy {
    /// The part of each label that goes to all classes alike.
    #[schemars(range(min = 0.0), extend("flag" = "label-smoothing", "exclusiveMaximum" = 1.0))]
    pub label_smoothing: f64,
}

impl Objective for CrossEntropy {
    fn of(&self, logits: &Tensor, targets: Targets<'_>, divisor: f64) -> Result<(Tensor, Tensor), TchError> {
        no_grad(|| {
            let log_probabilities = logits.f_log_softmax(-1, Kind::Float)?;
            let mut loss = match targets {
                Targets::Classes(classes) => log_probabilities.f_gather(1, &classes.f_unsqueeze(1)?, false)?,
                Targets::Shares(shares) => log_probabilities.f_mul(shares)?,
            }
            .f_sum(Kind::Float)?
            .f_neg()?;
            let mut targets = targets.shares(logits)?;
            let smoothing = self.label_smoothing;
            if smoothing > 0.0 {
                let share = smoothing / logits.size()[1] as f64;
                let of_all = log_probabilities.f_sum(Kind::Float)?.f_mul_scalar(-share)?;
                loss = loss.f_mul_scalar(1.0 - smoothing)?.f_add(&of_all)?;
                targets = targets.f_mul_scalar(1.0 - smoothing)?.f_add_scalar(share)?;
            }
            let gradient = log_probabilities.f_exp()?.f_sub(&targets)?.f_div_scalar(divisor)?;
            Ok((loss, gradient))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use tch::Device;

    /// Against libtorch's own loss and autograd, which PyTorch has from there.
    fn compare(truth: &Tensor, targets: Targets<'_>) {
        for label_smoothing in [0.0, 0.1, 0.9] {
            let logits = Tensor::randn([5, 10], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let theirs = logits.cross_entropy_loss(truth, None::<&Tensor>, tch::Reduction::Sum, -100, label_smoothing);
            (&theirs / 7.0).backward();
            let (loss, gradient) = CrossEntropy { label_smoothing }.of(&logits.detach(), targets, 7.0).unwrap();
            assert!((&loss - &theirs).abs().double_value(&[]) < 1e-5, "{loss:?}, {theirs:?}");
            let off = (gradient - logits.grad()).abs().max().double_value(&[]);
            assert!(off < 1e-7, "{label_smoothing}: {off}");
        }
    }

    #[test]
    fn loss_and_gradient_of_classes_are_those_of_libtorch() {
        let labels = Tensor::from_slice(&[3_i64, 0, 9, 3, 5]);
        compare(&labels, Targets::Classes(&labels));
    }

    #[test]
    fn loss_and_gradient_of_shares_are_those_of_libtorch() {
        let shares = Tensor::randn([5, 10], (Kind::Float, Device::Cpu)).softmax(-1, Kind::Float);
        compare(&shares, Targets::Shares(&shares));
    }
}
