//! PyTorch's default initialisation.
//!
//! Source: `reset_parameters` of `nn.Conv2d`, `nn.Linear` and `nn.BatchNorm2d`, PyTorch 2.13. The weights of
//! convolutions and of the linear layer, and its bias, are uniform in plus or minus 1/sqrt(fan in). That is what
//! `kaiming_uniform` with `a = sqrt(5)` comes to. Batch normalisations begin with weight 1 and bias 0.

use crate::{Layout, Role};
use plan::random::{Purpose, random_bits, unit};

/// The flat buffer of parameters with which a run of `seed` begins. It is the same on every device.
#[must_use]
pub fn initial_parameters(layout: &Layout, seed: u64) -> Vec<f32> {
    let mut parameters = vec![0.0; layout.parameters()];
    let mut fan_in = 1;
    for (index, entry) in layout.of(Role::Parameter).enumerate() {
        let values = &mut parameters[entry.offset..entry.offset + entry.elements()];
        let is_norm = entry.shape.len() == 1 && !entry.name.starts_with("classifer");
        if is_norm {
            values.fill(if entry.name.ends_with(".weight") { 1.0 } else { 0.0 });
            continue;
        }
        if entry.shape.len() > 1 {
            fan_in = entry.shape[1..].iter().product();
        }
        let bound = 1.0 / (fan_in as f32).sqrt();
        for (place, group) in values.chunks_mut(4).enumerate() {
            let bits = random_bits(seed, Purpose::Init, index as u32, place as u32, 0);
            for (value, bits) in group.iter_mut().zip(bits) {
                *value = (2.0 * unit(bits) - 1.0) * bound;
            }
        }
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Architecture;

    #[test]
    fn spreads_as_pytorch_does() {
        let layout =
            Layout::new(&Architecture::named("resnet18", crate::Sizes { channels: 3, side: 32, classes: 10 }).unwrap());
        let parameters = initial_parameters(&layout, 7);
        for entry in layout.of(Role::Parameter) {
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
        assert_ne!(parameters, initial_parameters(&layout, 8));
    }
}
