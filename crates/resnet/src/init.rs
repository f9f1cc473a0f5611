//! How tensors begin, by their roles: as PyTorch's.
//!
//! Source: `reset_parameters` of `nn.Conv2d`, `nn.Linear` and `nn.BatchNorm2d`, PyTorch 2.13. The weights of
//! convolutions and of the linear layer, and its bias, are uniform in plus or minus 1/sqrt(fan in). That is what
//! `kaiming_uniform` with `a = sqrt(5)` comes to. Batch normalisations begin with weight 1 and bias 0, and with running
//! means 0 and variances 1.

use crate::{Buffer, Layout, Role};
use plan::random::{Purpose, random_bits, unit};

/// The flat buffer of parameters with which a run of `seed` begins. It is the same on every device.
#[must_use]
pub fn initial_parameters(layout: &Layout, seed: u64) -> Vec<f32> {
    initial(layout, Buffer::Parameters, layout.parameters(), seed)
}

/// Running statistics before the first step.
#[must_use]
pub fn initial_statistics(layout: &Layout) -> Vec<f32> {
    initial(layout, Buffer::Statistics, layout.statistics(), 0)
}

fn initial(layout: &Layout, buffer: Buffer, elements: usize, seed: u64) -> Vec<f32> {
    let mut all = vec![0.0; elements];
    for (index, entry) in layout.of(buffer).enumerate() {
        let values = &mut all[entry.offset..entry.offset + entry.elements()];
        match entry.role {
            Role::Weight { fan_in } | Role::Bias { fan_in } => uniform(values, fan_in, seed, index),
            Role::Scale | Role::RunningVariance => values.fill(1.0),
            Role::Shift | Role::RunningMean | Role::BatchesTracked => values.fill(0.0),
        }
    }
    all
}

/// Uniform in plus or minus 1/sqrt(fan in). The numbers depend on the tensor's place among the parameters.
fn uniform(values: &mut [f32], fan_in: u32, seed: u64, index: usize) {
    let bound = 1.0 / (fan_in as f32).sqrt();
    for (place, group) in values.chunks_mut(4).enumerate() {
        let bits = random_bits(seed, Purpose::Init, index as u32, place as u32, 0);
        for (value, bits) in group.iter_mut().zip(bits) {
            *value = (2.0 * unit(bits) - 1.0) * bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, Sizes, Stem};

    #[test]
    fn spreads_as_pytorch_does() {
        let sizes = Sizes { channels: 3, side: 32, classes: 10 };
        let architecture = Architecture::named("resnet18", Stem::Small, sizes).unwrap();
        let layout = architecture.layout();
        let parameters = initial_parameters(layout, 7);
        for entry in layout.of(Buffer::Parameters) {
            let values = &parameters[entry.offset..entry.offset + entry.elements()];
            let fan_in: i64 = entry.shape[1..].iter().product();
            if entry.shape.len() == 4 {
                let bound = 1.0 / (fan_in as f64).sqrt();
                assert!(values.iter().all(|v| f64::from(v.abs()) <= bound + 1e-9), "{}", entry.name);
                // The variance of a uniform distribution over plus or minus b is b^2 / 3.
                let variance = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / values.len() as f64;
                let ratio = variance / (bound * bound / 3.0);
                assert!((0.9..1.1).contains(&ratio), "{}: {ratio}", entry.name);
            }
        }
        assert_ne!(parameters, initial_parameters(layout, 8));
    }
}
