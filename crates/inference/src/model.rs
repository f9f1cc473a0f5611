//! A checkpoint in memory, ready to answer.

use crate::answer::Prediction;
use checkpoint::Manifest;
use data::{DatasetSpec, ImageShape};
use network::FrozenNetwork;
use state::State;
use tch::Tensor;

/// A checkpoint in memory, ready to answer. The thread of the models owns it.
#[derive(Debug)]
pub(crate) struct Model {
    pub name: String,
    pub step: u64,
    pub epoch: u32,
    pub accuracy: Option<f64>,
    network: FrozenNetwork,
    shape: ImageShape,
}

/// Whole epochs that the checkpoint of `manifest` has learned for.
pub(crate) fn epochs(manifest: &Manifest) -> u32 {
    let steps = u64::from(manifest.config.steps().count()).max(1);
    (manifest.steps_done / steps) as u32
}

impl Model {
    /// The model of the checkpoint `name`, for images as `dataset` has them.
    ///
    /// # Errors
    /// In words: if it is of other images or classes, or there is no memory.
    pub fn new(name: &str, manifest: &Manifest, state: &State, dataset: &DatasetSpec) -> Result<Self, String> {
        let config = &manifest.config;
        if config.dataset.shape != dataset.shape || config.dataset.classes != dataset.classes {
            return Err(format!("it is of {}, with other images or classes", config.dataset.name));
        }
        let architecture = config.architecture().map_err(|error| error.to_string())?;
        state
            .check(&checkpoint::slots(config, architecture.layout()))
            .map_err(|error| format!("the state is not one of {}: {error}", config.model))?;
        let [parameters, statistics] = state.model();
        // Whatever the workers compute in: the same before and after a restart.
        let network = FrozenNetwork::new(&architecture, parameters, statistics).map_err(|error| error.to_string())?;
        Ok(Self {
            name: name.to_owned(),
            step: manifest.steps_done,
            epoch: epochs(manifest),
            accuracy: manifest.test_accuracy,
            network,
            shape: dataset.shape,
        })
    }

    /// What it takes of the memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.network.bytes()
    }

    /// What it makes of images: normalised, channels last, one after the other.
    ///
    /// # Errors
    /// In libtorch's words, if it fails.
    pub fn predictions(&self, images: &[f32]) -> Result<Vec<Prediction>, String> {
        let [channels, height, width] = [self.shape.channels, self.shape.height, self.shape.width].map(i64::from);
        let images = Tensor::f_from_slice(images)
            .and_then(|images| images.f_view([-1, height, width, channels]))
            .and_then(|images| images.f_permute([0, 3, 1, 2]))
            .map_err(|error| error.to_string())?;
        let logits = self.network.logits(&images).map_err(|error| error.to_string())?;
        Ok(logits.iter().map(|logits| prediction(logits)).collect())
    }
}

/// Probabilities of `logits`, by softmax. Each image by itself and in one order, so that it is the same bytes anywhere.
fn prediction(logits: &[f32]) -> Prediction {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|logit| f64::from(logit - highest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    let probabilities: Vec<f32> = powers.iter().map(|power| (power / sum) as f32).collect();
    let best = probabilities.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
    Prediction { class: best.map_or(0, |(class, _)| class), probabilities }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_softmax() {
        // By scipy.special.softmax.
        let expected = [0.032_058_6, 0.087_144_3, 0.236_882_8, 0.643_914_3];
        let found = prediction(&[1.0, 2.0, 3.0, 4.0]);
        assert!(found.probabilities.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-7));
        assert_eq!(found.class, 3);
        // Large ones do not overflow.
        assert_eq!(prediction(&[1000.0, 0.0]).probabilities, [1.0, 0.0]);
    }
}
