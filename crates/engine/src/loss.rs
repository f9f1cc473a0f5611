//! The loss of a batch and its gradient.

use tch::{Kind, TchError, Tensor, no_grad};

/// The sum of the losses of `logits`, and the gradient of that sum's `divisor`-th part, as
/// `torch.nn.functional.cross_entropy` with `label_smoothing`, and autograd, have them.
pub(crate) fn cross_entropy(
    logits: &Tensor,
    labels: &Tensor,
    divisor: f64,
    label_smoothing: f64,
) -> Result<(Tensor, Tensor), TchError> {
    no_grad(|| {
        let truth = labels.f_unsqueeze(1)?;
        let log_probabilities = logits.f_log_softmax(-1, Kind::Float)?;
        let mut loss = log_probabilities.f_gather(1, &truth, false)?.f_sum(Kind::Float)?.f_neg()?;
        let count = logits.size()[1];
        // Not by scattering, which on a GPU adds in any order.
        let classes = Tensor::f_arange(count, (Kind::Int64, logits.device()))?;
        let mut targets = truth.f_eq_tensor(&classes)?.f_to_kind(Kind::Float)?;
        if label_smoothing > 0.0 {
            let share = label_smoothing / count as f64;
            let of_all = log_probabilities.f_sum(Kind::Float)?.f_mul_scalar(-share)?;
            loss = loss.f_mul_scalar(1.0 - label_smoothing)?.f_add(&of_all)?;
            targets = targets.f_mul_scalar(1.0 - label_smoothing)?.f_add_scalar(share)?;
        }
        let gradient = log_probabilities.f_exp()?.f_sub(&targets)?.f_div_scalar(divisor)?;
        Ok((loss, gradient))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use tch::Device;

    /// Against libtorch's own loss and autograd, which PyTorch has from there.
    #[test]
    fn loss_and_gradient_are_those_of_libtorch() {
        let labels = Tensor::from_slice(&[3_i64, 0, 9, 3, 5]);
        for smoothing in [0.0, 0.1, 0.9] {
            let logits = Tensor::randn([5, 10], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let theirs = logits.cross_entropy_loss(&labels, None::<&Tensor>, tch::Reduction::Sum, -100, smoothing);
            (&theirs / 7.0).backward();
            let (loss, gradient) = cross_entropy(&logits.detach(), &labels, 7.0, smoothing).unwrap();
            assert!((&loss - &theirs).abs().double_value(&[]) < 1e-5, "{loss:?}, {theirs:?}");
            let off = (gradient - logits.grad()).abs().max().double_value(&[]);
            assert!(off < 1e-7, "{smoothing}: {off}");
        }
    }
}
