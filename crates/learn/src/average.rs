//! An average of the weights over the last steps: an exponential moving average.
//!
//! Source: `torch.optim.swa_utils.AveragedModel` with `get_ema_avg_fn(decay)` and `use_buffers=True`, PyTorch 2.13. The first step
//! copies the weights. After that `average += (1 - decay) * (weights - average)`. Running statistics are averaged likewise.

use operations::{elementwise, is_processors};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state::{AVERAGE, AVERAGE_STATISTICS, Slot};
use tch::{TchError, Tensor, no_grad};

/// Whether an average is kept, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Average {
    /// The share of earlier steps in an average of the weights; 0: none is kept. The average is what is evaluated, is saved
    /// as the model, and predicts.
    #[schemars(range(min = 0.0), extend("flag" = "ema-decay", "exclusiveMaximum" = 1.0))]
    pub decay: f64,
}

impl Average {
    /// Its slots of the state: none where no average is kept.
    #[must_use]
    pub fn slots(&self) -> &'static [Slot] {
        if self.decay > 0.0 { &[AVERAGE, AVERAGE_STATISTICS] } else { &[] }
    }

    /// Updates `average` with `values`, after step `number` of the run, from 1. Both are dense, in f32 and of the same
    /// length.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn follow(&self, number: u64, average: &mut Tensor, values: &Tensor) -> Result<(), TchError> {
        if number <= 1 {
            return no_grad(|| average.f_copy_(values));
        }
        if is_processors(values.device()) {
            let share = (1.0 - self.decay) as f32;
            return elementwise(average, &mut [], values, |value, average, []: [f32; 0]| {
                (average + share * (value - average), [])
            });
        }
        no_grad(|| average.f_lerp_(values, 1.0 - self.decay)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    /// What PyTorch's `AveragedModel` holds after each of three updates, with a decay of 0.9.
    #[test]
    fn it_follows_as_pytorchs_does() {
        let average = Average { decay: 0.9 };
        let mut held = Tensor::from_slice(&[7.0_f32]);
        let mut trace = Vec::new();
        for (number, value) in (1..).zip([1.0_f32, 2.0, -3.0]) {
            average.follow(number, &mut held, &Tensor::from_slice(&[value])).unwrap();
            trace.push(held.double_value(&[0]));
        }
        for (ours, theirs) in trace.iter().zip([1.0, 1.1, 0.69]) {
            assert!((ours - theirs).abs() < 1e-6, "{trace:?}");
        }
    }
}
