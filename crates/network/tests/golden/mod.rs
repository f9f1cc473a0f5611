//! What PyTorch computes (`tests/golden/logits.json`, made by the script beside it), and networks to be held against it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test uses a part of it")]

use network::{Buffers, Network};
use plan::Precision;
use resnet::{Architecture, Buffer, Layout, MODELS, Sizes, Stem, initial_parameters, initial_statistics};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// The model that is compared with the large stem too.
pub const WITH_LARGE_STEM: &str = "resnet18-large";

/// The article's: CIFAR-10.
pub const SIZES: Sizes = Sizes { channels: 3, side: 32, classes: 10 };

/// The model that the script calls so: `NAME`, or `NAME-large` with the large stem.
pub fn architecture(name: &str) -> Architecture {
    let (model, stem) = name.strip_suffix("-large").map_or((name, Stem::Small), |model| (model, Stem::Large));
    Architecture::named(model, stem, SIZES).unwrap()
}

/// What PyTorch computes.
#[derive(Deserialize)]
pub struct Golden {
    pub seed: u64,
    pub images: u32,
    pub labels: Vec<i64>,
    pub models: BTreeMap<String, Model>,
}

#[derive(Deserialize)]
pub struct Model {
    pub parameters: usize,
    pub initial_sha256: String,
    pub weights_sha256: String,
    pub eval: Vec<[f64; 10]>,
    pub train: Vec<[f64; 10]>,
    pub running: Vec<[f64; 2]>,
    pub state_dict: Vec<String>,
}

/// What the script wrote.
pub fn golden() -> Golden {
    let golden: Golden = serde_json::from_str(include_str!("../../../../tests/golden/logits.json")).unwrap();
    assert!(MODELS.iter().all(|model| golden.models.contains_key(*model)));
    assert!(golden.models.contains_key(WITH_LARGE_STEM));
    // As in the script: another number of threads rounds differently.
    tch::set_num_threads(1);
    golden
}

/// A network with the perturbed weights, and its buffers.
pub struct Subject {
    pub layout: Layout,
    pub initial: Vec<f32>,
    pub parameters: Vec<f32>,
    pub statistics: Vec<f32>,
    pub running: Tensor,
    pub batch: Tensor,
    pub network: Network,
    is_large: bool,
}

impl Subject {
    pub fn new(name: &str, seed: u64, precision: Precision, device: Device) -> Self {
        let architecture = architecture(name);
        let layout = architecture.layout().clone();
        let initial = initial_parameters(&layout, seed);
        let (mut parameters, mut statistics) = (initial.clone(), initial_statistics(&layout));
        testkit::perturb(&layout, seed, &mut parameters, &mut statistics);
        let running = Tensor::from_slice(&statistics).to_device(device);
        let batch = running.zeros_like();
        let flat = Tensor::from_slice(&parameters).to_device(device);
        let buffers = Buffers { parameters: &flat, running: &running, batch: &batch };
        let network = Network::new(&architecture, buffers, precision).unwrap();
        Self { layout, initial, parameters, statistics, running, batch, network, is_large: name == WITH_LARGE_STEM }
    }

    /// The images as the script has them for this model.
    pub fn sized(&self, images: &Tensor) -> Tensor {
        if self.is_large { images.upsample_nearest2d([64, 64], None, None) } else { images.shallow_clone() }
    }

    pub fn logits(&mut self, images: &Tensor, training: bool) -> Vec<f64> {
        let images = &self.sized(images).to_device(self.running.device());
        let logits = if training {
            self.network.forward(images, || {}).unwrap().0
        } else {
            self.network.infer(images, || {}).unwrap()
        };
        Vec::try_from(logits.to_kind(Kind::Double).flatten(0, -1).to_device(Device::Cpu)).unwrap()
    }
}

pub fn sha256(buffers: &[&[f32]]) -> String {
    let bytes: Vec<u8> = buffers.concat().iter().flat_map(|value| value.to_le_bytes()).collect();
    Sha256::digest(&bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The largest difference, as a share of the largest expected value.
pub fn error(values: &[f64], expected: &[[f64; 10]]) -> f64 {
    let expected = expected.as_flattened();
    assert_eq!(values.len(), expected.len());
    let difference = values.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    difference / expected.iter().map(|value| value.abs()).fold(0.0, f64::max)
}

/// Compares the running statistics after a step, by their means and roots of mean squares. Returns the largest
/// difference, as a share of the latter.
pub fn error_of_running(subject: &Subject, expected: &[[f64; 2]]) -> f64 {
    let moved: Tensor = &subject.running * 0.9 + &subject.batch * 0.1;
    let moved = Vec::<f64>::try_from(moved.to_kind(Kind::Double).to_device(Device::Cpu)).unwrap();
    let entries: Vec<_> = subject.layout.of(Buffer::Statistics).collect();
    assert_eq!(entries.len(), expected.len());
    let mut largest = 0.0;
    for (entry, [mean, size]) in entries.into_iter().zip(expected) {
        let values = &moved[entry.offset..entry.offset + entry.elements()];
        let count = values.len() as f64;
        let mean_here = values.iter().sum::<f64>() / count;
        let size_here = (values.iter().map(|value| value * value).sum::<f64>() / count).sqrt();
        largest = f64::max(largest, (mean_here - mean).abs().max((size_here - size).abs()) / size);
    }
    largest
}
