//! Three steps of SGD on one batch end where PyTorch's end: losses, weights, running statistics, momentum.
//!
//! What PyTorch computes is in `tests/golden/sgd.json`, made by the script beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use config::RunConfig;
use engine::{Profile, Replica, Tail, commit, forward_backward};
use learn::{MOMENTUM, Optimizer, Sgd};
use plan::{Position, Precision, Totals};
use reduction::Sum;
use resnet::{Buffer, initial_parameters, initial_statistics};
use serde::Deserialize;
use state::{PARAMETERS, STATISTICS, State};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

#[derive(Deserialize)]
struct Golden {
    model: String,
    seed: u64,
    batch_seed: u64,
    images: u32,
    labels: Vec<i64>,
    options: Options,
    losses: Vec<f64>,
    state: BTreeMap<String, Values>,
    momentum: BTreeMap<String, Values>,
}

#[derive(Deserialize)]
struct Options {
    lr: f64,
    momentum: f64,
    weight_decay: f64,
}

#[derive(Deserialize)]
struct Values {
    sum: f64,
    norm: f64,
    first: Vec<f64>,
}

/// Rounding differs by the order of additions, and three steps at a high rate multiply it.
const TOLERANCE: f64 = 1e-4;

impl Values {
    /// How far `values` are from these, as a share of their norm.
    fn error(&self, values: &[f32]) -> f64 {
        let exact = |value: &f32| f64::from(*value);
        let sum = (values.iter().map(exact).sum::<f64>() - self.sum).abs() / (values.len() as f64).sqrt();
        let norm = (values.iter().map(|value| exact(value).powi(2)).sum::<f64>().sqrt() - self.norm).abs();
        let first = values.iter().zip(&self.first).map(|(a, b)| (exact(a) - b).abs()).fold(0.0, f64::max);
        sum.max(norm).max(first) / self.norm
    }
}

#[test]
fn three_steps_end_where_pytorchs_do() {
    let golden: Golden = serde_json::from_str(include_str!("../../../tests/golden/sgd.json")).unwrap();
    tch::set_num_threads(1);
    let config = RunConfig {
        model: golden.model.clone(),
        precision: Precision::Fp32,
        optimizer: Optimizer::Sgd(Sgd {
            momentum: golden.options.momentum,
            nesterov: false,
            weight_decay: golden.options.weight_decay,
        }),
        ..RunConfig::default()
    };
    let mut replica = Replica::new(&config, Device::Cpu).unwrap();
    let mut parameters = initial_parameters(&replica.layout, golden.seed);
    let mut statistics = initial_statistics(&replica.layout);
    testkit::perturb(&replica.layout, golden.seed, &mut parameters, &mut statistics);
    let mut position = Position { epoch: 1, step: 0 };
    let momentum = vec![0.0; parameters.len()];
    let buffers = vec![(PARAMETERS, parameters), (STATISTICS, statistics), (MOMENTUM, momentum)];
    replica.load(&State::of_buffers(position, Totals::default(), buffers), 1).unwrap();

    let (images, labels) = testkit::batch(golden.batch_seed, golden.images);
    assert_eq!(labels, golden.labels);
    let (images, labels) = (testkit::normalised(&images), Tensor::from_slice(&labels));
    let mut vector = Tensor::zeros([replica.vector_len() as i64], (Kind::Float, Device::Cpu));
    let mut losses = Vec::new();
    for _ in &golden.losses {
        // What an earlier step left must not matter.
        let _ = vector.fill_(f64::NAN);
        let mut final_from = Vec::new();
        let samples = golden.images as usize;
        let (layer_done, filled) = (|| {}, |at| final_from.push(at));
        let mut profile = Profile::new(false, Device::Cpu);
        let loss = forward_backward(
            &mut replica,
            &images,
            &labels,
            samples,
            false,
            &mut vector,
            layer_done,
            filled,
            &mut profile,
        )
        .unwrap();
        let in_tail = vector.double_value(&[(replica.tail_range().start + Tail::Loss as usize) as i64]);
        assert_eq!(f64::try_from(&loss).unwrap(), in_tail);
        assert!(final_from.is_sorted_by(|a, b| a > b) && final_from.last() == Some(&0), "{final_from:?}");
        let before = replica.totals.loss;
        let outcome = commit(&mut replica, &Sum::whole(vector.shallow_clone()), position, golden.options.lr).unwrap();
        assert_eq!((outcome.samples, outcome.halt), (u64::from(golden.images), false));
        losses.push((replica.totals.loss - before) / f64::from(golden.images));
        position.step += 1;
    }

    for (ours, theirs) in losses.iter().zip(&golden.losses) {
        assert!((ours - theirs).abs() / theirs < TOLERANCE, "losses {losses:?}, PyTorch's {:?}", golden.losses);
    }
    println!("losses {losses:?}; largest difference {:.1e}", largest_error(&replica, &golden));
}

/// The largest difference of a tensor from PyTorch's. None may be over the tolerance.
fn largest_error(replica: &Replica, golden: &Golden) -> f64 {
    let state = replica.state().unwrap();
    let mut largest = 0.0;
    for entry in replica.layout.entries() {
        let (buffers, place): (&[(&str, &[f32])], _) = match entry.role.buffer() {
            Some(Buffer::Parameters) => {
                (&[("state", state.of(PARAMETERS)), ("momentum", state.of(MOMENTUM))], entry.offset)
            }
            Some(Buffer::Statistics) => (&[("state", state.of(STATISTICS))], entry.offset),
            // The number of steps, on which no buffer depends.
            None => continue,
        };
        for (kind, buffer) in buffers {
            let golden = if *kind == "state" { &golden.state } else { &golden.momentum };
            let error = golden[&entry.name].error(&buffer[place..place + entry.elements()]);
            assert!(error < TOLERANCE, "{kind} {}: {error:e}", entry.name);
            largest = f64::max(largest, error);
        }
    }
    largest
}
