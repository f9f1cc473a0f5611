//! Batch normalisation with what follows it: perhaps the addition of a shortcut, perhaps ReLU.
//!
//! It is `y = relu((x - mean) / sqrt(variance + 1e-5) * weight + bias + shortcut)`, by channel, as in
//! `torch.nn.BatchNorm2d`. In training mean and biased variance are those of the batch, else the running ones.

mod fused;
mod kernel;
pub mod plain;
mod tiles;

use crate::is_processors;
use tch::{Device, TchError, Tensor};

/// PyTorch's default.
pub const EPSILON: f64 = 1e-5;

/// The trained parameters of a normalisation, each `[channels]` in f32.
#[derive(Debug)]
pub struct Affine {
    /// What the normalised values are multiplied by.
    pub weight: Tensor,
    /// What is added to them then.
    pub bias: Tensor,
}

/// What training needs of a forward pass for the backward one, each `[channels]` in f32.
#[derive(Debug)]
pub struct Statistics {
    /// Means of the batch.
    pub mean: Tensor,
    /// `1 / sqrt(variance + EPSILON)` of the batch.
    pub invstd: Tensor,
}

/// The gradients that do not belong to parameters.
#[derive(Debug)]
pub struct Gradients {
    /// Of `x`.
    pub input: Tensor,
    /// Of the sum that ReLU was applied to, and so of the shortcut.
    pub sum: Tensor,
}

/// What a backward pass starts from.
#[derive(Debug)]
pub struct Upstream<'a> {
    /// The gradient of the output; it is used up.
    pub gradient: Tensor,
    /// A second one to be added to it, where the output went two ways.
    pub second: Option<&'a Tensor>,
    /// What the forward pass gave. Where it is 0, ReLU let nothing through.
    pub output: &'a Tensor,
    /// Whether ReLU was applied.
    pub relu: bool,
    /// Whether a shortcut was added.
    pub shortcut: bool,
}

/// Whether the fused kernels take tensors of `channels` channels on `device`.
#[must_use]
pub fn is_fused(device: Device, channels: i64) -> bool {
    is_processors(device) && tiles::fits(channels as usize)
}

/// The output in training. `x` and `shortcut` are `[n, channels, h, w]` with channels last in memory, in f32 or bf16.
/// Mean and unbiased variance of the batch are written to `batch`.
///
/// # Errors
/// If libtorch fails, for example for want of memory.
pub fn train(
    x: &Tensor,
    affine: &Affine,
    batch: &mut [Tensor; 2],
    shortcut: Option<&Tensor>,
    relu: bool,
) -> Result<(Tensor, Statistics), TchError> {
    if is_fused(x.device(), x.size()[1]) {
        fused::train(x, affine, batch, shortcut, relu)
    } else {
        plain::train(x, affine, batch, shortcut, relu)
    }
}

/// The output by `running` mean and variance; `x` may be overwritten.
///
/// # Errors
/// If libtorch fails, for example for want of memory.
pub fn infer(
    x: Tensor,
    affine: &Affine,
    running: &[Tensor; 2],
    shortcut: Option<&Tensor>,
    relu: bool,
) -> Result<Tensor, TchError> {
    if is_fused(x.device(), x.size()[1]) {
        fused::infer(x, affine, running, shortcut, relu)
    } else {
        plain::infer(&x, affine, running, shortcut, relu)
    }
}

/// The gradients of a forward pass of [`train`] on `x`, which may be overwritten. Those of weight and bias are written
/// to `parameters`.
///
/// # Errors
/// If libtorch fails, for example for want of memory.
pub fn backward(
    upstream: Upstream<'_>,
    x: Tensor,
    affine: &Affine,
    statistics: &Statistics,
    parameters: &mut Affine,
) -> Result<Gradients, TchError> {
    if is_fused(x.device(), x.size()[1]) {
        fused::backward(upstream, x, affine, statistics, parameters)
    } else {
        plain::backward(upstream, &x, affine, statistics, parameters)
    }
}
