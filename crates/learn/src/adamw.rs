//! Adam with decoupled weight decay.
//!
//! Source: `torch.optim.AdamW`, PyTorch 2.13, without AMSGrad. With gradient `g`, parameter `p`, moments `m` and `v`, at step
//! `t` from 1:
//!
//! ```text
//! p *= 1 - rate * decay
//! m += (1 - beta1) * (g - m)
//! v = beta2 * v + (1 - beta2) * g * g
//! p -= rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
//! ```

use crate::{StepAt, Update};
use operations::{elementwise, is_processors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state::Slot;
use tch::{TchError, Tensor, no_grad};

/// The mean of gradients, of which earlier ones count less. PyTorch's `exp_avg`.
pub const FIRST_MOMENT: Slot = Slot::of_parameters("first_moment");

/// The mean of their squares, likewise. PyTorch's `exp_avg_sq`.
pub const SECOND_MOMENT: Slot = Slot::of_parameters("second_moment");

/// The options of `torch.optim.AdamW`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdamW {
    /// The share of earlier gradients in their mean.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta1: f64,
    /// The share of earlier squares in their mean.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    pub beta2: f64,
    /// What is added to the root of the squares' mean.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub eps: f64,
    /// The pull of every parameter towards 0.
    #[schemars(range(min = 0.0), extend("flag" = "weight-decay"))]
    pub weight_decay: f64,
}

impl Default for AdamW {
    /// PyTorch's.
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 1e-2 }
    }
}

/// What a step multiplies by.
struct Factors {
    kept: f64,
    new: f64,
    old_square: f64,
    new_square: f64,
    size: f64,
    root: f64,
    eps: f64,
}

impl AdamW {
    fn factors(&self, at: StepAt) -> Factors {
        let Self { beta1, beta2, eps, weight_decay } = *self;
        let number = at.number as f64;
        Factors {
            kept: 1.0 - at.rate * if at.decays { weight_decay } else { 0.0 },
            new: 1.0 - beta1,
            old_square: beta2,
            new_square: 1.0 - beta2,
            size: at.rate / (1.0 - beta1.powf(number)),
            root: (1.0 - beta2.powf(number)).sqrt(),
            eps,
        }
    }
}

impl Update for AdamW {
    fn slots(&self) -> &'static [Slot] {
        &[FIRST_MOMENT, SECOND_MOMENT]
    }

    fn step(
        &self,
        at: StepAt,
        parameters: &mut Tensor,
        slots: &mut [Tensor],
        gradient: &Tensor,
    ) -> Result<(), TchError> {
        let factors = self.factors(at);
        if is_processors(gradient.device()) {
            on_a_cpu(&factors, parameters, slots, gradient)
        } else {
            no_grad(|| on_a_gpu(&factors, parameters, slots, gradient))
        }
    }
}

/// In one pass over memory. Every operation is rounded on its own, so an element's bits do not depend on its neighbours.
fn on_a_cpu(
    factors: &Factors,
    parameters: &mut Tensor,
    slots: &mut [Tensor],
    gradient: &Tensor,
) -> Result<(), TchError> {
    let Factors { kept, new, old_square, new_square, size, root, eps } = factors;
    let [kept, new, old_square, new_square] = [kept, new, old_square, new_square].map(|factor| *factor as f32);
    let [size, root, eps] = [size, root, eps].map(|factor| *factor as f32);
    elementwise(parameters, slots, gradient, |g: f32, p: f32, [m, v]: [f32; 2]| {
        let m = m + new * (g - m);
        let v = old_square * v + new_square * g * g;
        (p * kept - size * (m / (v.sqrt() / root + eps)), [m, v])
    })
}

/// Operation by operation.
fn on_a_gpu(
    factors: &Factors,
    parameters: &mut Tensor,
    slots: &mut [Tensor],
    gradient: &Tensor,
) -> Result<(), TchError> {
    let [first, second] = slots else {
        return Err(TchError::Shape(format!("AdamW has 2 slots, not {}", slots.len())));
    };
    let _ = parameters.f_mul_scalar_(factors.kept)?;
    let _ = first.f_lerp_(gradient, factors.new)?;
    let _ = second.f_mul_scalar_(factors.old_square)?;
    let _ = second.f_add_(&gradient.f_mul(gradient)?.f_mul_scalar(factors.new_square)?)?;
    let bottom = second.f_sqrt()?.f_div_scalar(factors.root)?.f_add_scalar(factors.eps)?;
    let _ = parameters.f_sub_(&first.f_div(&bottom)?.f_mul_scalar(factors.size)?)?;
    Ok(())
}
