//! By libtorch's own operations, one after the other, on any device.

use super::{Affine, EPSILON, Gradients, Statistics, Upstream};
use crate::ffi;
use tch::{TchError, Tensor};

fn finish(y: Tensor, shortcut: Option<&Tensor>, relu: bool) -> Result<Tensor, TchError> {
    let mut y = match shortcut {
        Some(shortcut) => y.f_add(shortcut)?,
        None => y,
    };
    if relu { y.f_relu_() } else { Ok(y) }
}

/// See [`super::train`].
///
/// # Errors
/// If libtorch fails.
pub fn train(
    x: &Tensor,
    affine: &Affine,
    batch: &mut [Tensor; 2],
    shortcut: Option<&Tensor>,
    relu: bool,
) -> Result<(Tensor, Statistics), TchError> {
    let [mean, variance] = batch;
    // With momentum 1 libtorch writes the batch's own statistics, where it would else move the running ones. It adds 0 times what
    // was there before, which is no number if that was none.
    let _ = mean.f_zero_()?;
    let _ = variance.f_zero_()?;
    let (y, mean, invstd) = x.f_native_batch_norm(
        Some(&affine.weight),
        Some(&affine.bias),
        Some(&*mean),
        Some(&*variance),
        true,
        1.0,
        EPSILON,
    )?;
    Ok((finish(y, shortcut, relu)?, Statistics { mean, invstd }))
}

/// See [`super::infer`].
///
/// # Errors
/// If libtorch fails.
pub fn infer(
    x: &Tensor,
    affine: &Affine,
    [mean, variance]: &[Tensor; 2],
    shortcut: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor, TchError> {
    let (weight, bias) = (Some(&affine.weight), Some(&affine.bias));
    let y = x.f_batch_norm(weight, bias, Some(mean), Some(variance), false, 0.0, EPSILON, true)?;
    finish(y, shortcut, relu)
}

/// See [`super::backward`].
///
/// # Errors
/// If libtorch fails.
pub fn backward(
    upstream: Upstream<'_>,
    x: &Tensor,
    affine: &Affine,
    statistics: &Statistics,
    parameters: &mut Affine,
) -> Result<Gradients, TchError> {
    let mut sum = upstream.gradient;
    if let Some(second) = upstream.second {
        sum = sum.f_add_(second)?;
    }
    if upstream.relu {
        sum = upstream.output.f_threshold_backward(&sum, 0.0)?;
    }
    let saved = [&statistics.mean, &statistics.invstd];
    let [input, weight, bias] = ffi::batch_norm_backward(&sum, x, &affine.weight, saved, EPSILON)?;
    parameters.weight.f_copy_(&weight)?;
    parameters.bias.f_copy_(&bias)?;
    Ok(Gradients { input, sum })
}
