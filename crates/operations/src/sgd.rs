//! A step of stochastic gradient descent over flat buffers, in one pass over memory.
//!
//! Done operation by operation it takes six passes. Of a model of eleven million parameters nothing stays in a cache
//! from one pass to the next. One pass then takes half the time.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the instruction set")]

use crate::ffi;
use crate::memory::{dense, dense_mut};
use crate::parallel::{WORTH_A_THREAD, parallel, pieces, threads};
use crate::path::is_processors;
use crate::widest::widest;
use tch::{TchError, Tensor};

/// What a step multiplies by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factors {
    /// The learning rate.
    pub rate: f32,
    /// How much of the last momentum is kept.
    pub momentum: f32,
    /// Whether the step is along the gradient plus what is kept of the new momentum, as Nesterov has it.
    pub nesterov: bool,
    /// How much of the parameters is added to the gradient.
    pub weight_decay: f32,
}

/// One step, as `torch.optim.SGD` does it (PyTorch 2.13, without dampening). With gradient `g`, parameter `p` and
/// momentum `m` it is `d = g + decay * p; m = momentum * m + d; p -= rate * m`. Each operation is rounded. With
/// Nesterov's momentum the last is `p -= rate * (d + momentum * m)`.
///
/// All three tensors are dense and of the same length. An element's bits do not depend on the number of threads. On
/// other devices libtorch's own fused kernel does the same (`torch.optim.SGD(fused=True)`). It may round once where
/// this rounds twice.
///
/// # Errors
/// If a tensor is not dense, not in f32, or of another length than the rest.
pub fn step(
    factors: Factors,
    parameters: &mut Tensor,
    momentum: &mut Tensor,
    gradient: &Tensor,
) -> Result<(), TchError> {
    if !is_processors(gradient.device()) {
        let Factors { rate, momentum: kept, nesterov, weight_decay } = factors;
        let numbers = [weight_decay, kept, rate].map(f64::from);
        return ffi::fused_sgd(parameters, momentum, gradient, numbers, nesterov);
    }
    let len = gradient.numel();
    let gradient = dense(gradient, len)?;
    let (mut parameters, mut momentum) = (dense_mut(parameters, len)?, dense_mut(momentum, len)?);
    parallel(pieces(len, threads(len, WORTH_A_THREAD)).map(|range| {
        let parameters = parameters.split_off_mut(..range.len()).unwrap_or_default();
        let momentum = momentum.split_off_mut(..range.len()).unwrap_or_default();
        let gradient = &gradient[range];
        move || {
            let decay = factors.weight_decay;
            let kept = factors.momentum;
            let plain = |momentum: f32, _: f32| momentum;
            let nesterov = |momentum: f32, decayed: f32| decayed + momentum * kept;
            let undecayed = |gradient: f32, _: f32| gradient;
            let decayed = |gradient: f32, parameter: f32| gradient + parameter * decay;
            match (decay == 0.0, factors.nesterov) {
                (true, false) => pass(factors, parameters, momentum, gradient, undecayed, plain),
                (false, false) => pass(factors, parameters, momentum, gradient, decayed, plain),
                (true, true) => pass(factors, parameters, momentum, gradient, undecayed, nesterov),
                (false, true) => pass(factors, parameters, momentum, gradient, decayed, nesterov),
            }
        }
    }));
    Ok(())
}

#[inline(always)]
fn pass(
    Factors { rate, momentum: kept, .. }: Factors,
    parameters: &mut [f32],
    momentum: &mut [f32],
    gradient: &[f32],
    decayed: impl Fn(f32, f32) -> f32,
    direction: impl Fn(f32, f32) -> f32,
) {
    widest(
        #[inline(always)]
        || {
            for ((parameter, momentum), gradient) in parameters.iter_mut().zip(momentum.iter_mut()).zip(gradient) {
                let decayed = decayed(*gradient, *parameter);
                *momentum = *momentum * kept + decayed;
                *parameter -= direction(*momentum, decayed) * rate;
            }
        },
    );
}
