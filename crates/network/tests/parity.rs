//! The same names, the same initial weights and the same logits as the article's module in PyTorch, for every model.
//!
//! What PyTorch computes is in `tests/golden/logits.json`, made by the script beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use network::{Buffers, Network};
use plan::Precision;
use resnet::{Architecture, Layout, MODELS, Role, initial_parameters, initial_statistics};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
struct Golden {
    seed: u64,
    images: u32,
    labels: Vec<i64>,
    models: BTreeMap<String, Model>,
}

#[derive(Deserialize)]
struct Model {
    parameters: usize,
    initial_sha256: String,
    weights_sha256: String,
    eval: Vec<[f64; 10]>,
    train: Vec<[f64; 10]>,
    running: Vec<[f64; 2]>,
    state_dict: Vec<String>,
}

fn golden() -> Golden {
    let golden: Golden = serde_json::from_str(include_str!("../../../tests/golden/logits.json")).unwrap();
    assert!(golden.models.len() == MODELS.len() && MODELS.iter().all(|model| golden.models.contains_key(*model)));
    // As in the script: another number of threads rounds differently.
    tch::set_num_threads(1);
    golden
}

/// A network with the perturbed weights, and its buffers.
struct Subject {
    layout: Layout,
    initial: Vec<f32>,
    parameters: Vec<f32>,
    statistics: Vec<f32>,
    running: Tensor,
    batch: Tensor,
    network: Network,
}

impl Subject {
    fn new(name: &str, seed: u64, precision: Precision) -> Self {
        let architecture = Architecture::named(name).unwrap();
        let layout = Layout::new(&architecture);
        let initial = initial_parameters(&layout, seed);
        let (mut parameters, mut statistics) = (initial.clone(), initial_statistics(&layout));
        common::perturb(&layout, seed, &mut parameters, &mut statistics);
        let running = Tensor::from_slice(&statistics);
        let batch = running.zeros_like();
        let flat = Tensor::from_slice(&parameters);
        let buffers = Buffers { parameters: &flat, running: &running, batch: &batch };
        let network = Network::new(&architecture, &layout, buffers, precision).unwrap();
        Self { layout, initial, parameters, statistics, running, batch, network }
    }

    fn logits(&mut self, images: &Tensor, training: bool) -> Vec<f64> {
        let logits = if training {
            self.network.forward(images, || {}).unwrap().0
        } else {
            self.network.infer(images, || {}).unwrap()
        };
        Vec::try_from(logits.to_kind(Kind::Double).flatten(0, -1)).unwrap()
    }
}

fn sha256(buffers: &[&[f32]]) -> String {
    let bytes: Vec<u8> = buffers.concat().iter().flat_map(|value| value.to_le_bytes()).collect();
    Sha256::digest(&bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The largest difference, as a share of the largest expected value.
fn error(values: &[f64], expected: &[[f64; 10]]) -> f64 {
    let expected = expected.as_flattened();
    assert_eq!(values.len(), expected.len());
    let difference = values.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    difference / expected.iter().map(|value| value.abs()).fold(0.0, f64::max)
}

#[test]
fn names_shapes_types_and_order_are_pytorchs() {
    for (name, model) in golden().models {
        let layout = Layout::new(&Architecture::named(&name).unwrap());
        let describe = |entry: &resnet::Entry| {
            let dtype = if entry.role == Role::BatchesTracked { "int64" } else { "float32" };
            let shape: Vec<String> = entry.shape.iter().map(ToString::to_string).collect();
            format!("{} {dtype} {}", entry.name, shape.join("x")).trim_end().to_owned()
        };
        let ours: Vec<String> = layout.entries().iter().map(describe).collect();
        assert_eq!(ours, model.state_dict, "{name}");
        assert_eq!(layout.parameters(), model.parameters, "{name}");
    }
}

#[test]
fn labels_are_drawn_alike() {
    let golden = golden();
    assert_eq!(common::batch(golden.seed, golden.images).1, golden.labels);
}

#[test]
fn fp32_logits_are_pytorchs() {
    let golden = golden();
    let images = common::normalised(&common::batch(golden.seed, golden.images).0);
    for (name, model) in golden.models {
        let mut subject = Subject::new(&name, golden.seed, Precision::Fp32);
        assert_eq!(sha256(&[&subject.initial]), model.initial_sha256, "initial weights of {name}");
        let weights = sha256(&[&subject.parameters, &subject.statistics]);
        assert_eq!(weights, model.weights_sha256, "perturbed weights of {name}");

        let eval = error(&subject.logits(&images, false), &model.eval);
        let train = error(&subject.logits(&images, true), &model.train);
        let running = error_of_running(&subject, &model.running);
        println!("{name}: eval {eval:.1e}, train {train:.1e}, running statistics {running:.1e}");
        assert!(eval < 1e-5 && train < 1e-5 && running < 1e-5, "{name}: {eval:e}, {train:e}, {running:e}");
    }
}

/// The running statistics after a step, by their means and roots of mean squares: the largest difference, as a share
/// of the latter.
fn error_of_running(subject: &Subject, expected: &[[f64; 2]]) -> f64 {
    let moved: Tensor = &subject.running * 0.9 + &subject.batch * 0.1;
    let moved = Vec::<f64>::try_from(moved.to_kind(Kind::Double)).unwrap();
    let entries: Vec<_> = subject.layout.of(Role::Statistic).collect();
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

#[test]
fn bf16_logits_are_near_those_of_fp32() {
    let golden = golden();
    let images = common::normalised(&common::batch(golden.seed, golden.images).0);
    for (name, model) in golden.models {
        let mut subject = Subject::new(&name, golden.seed, Precision::Bf16);
        let eval = error(&subject.logits(&images, false), &model.eval);
        let train = error(&subject.logits(&images, true), &model.train);
        println!("{name}: eval {eval:.1e}, train {train:.1e}");
        assert!(eval < 0.05 && train < 0.05, "{name}: {eval:e}, {train:e}");
    }
}
