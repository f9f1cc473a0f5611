//! The same names, the same initial weights and the same logits as the article's module in PyTorch, for every model.
//!
//! What PyTorch computes is in `tests/golden/logits.json`, made by the script beside it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod golden;

use golden::{Subject, architecture, error, error_of_running, golden, sha256};
use plan::Precision;
use resnet::Role;
use tch::Device;

#[test]
fn names_shapes_types_and_order_are_pytorchs() {
    for (name, model) in golden().models {
        let architecture = architecture(&name);
        let layout = architecture.layout();
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
    assert_eq!(testkit::batch(golden.seed, golden.images).1, golden.labels);
}

#[test]
fn fp32_logits_are_pytorchs() {
    let golden = golden();
    let images = testkit::normalised(&testkit::batch(golden.seed, golden.images).0);
    for (name, model) in golden.models {
        let mut subject = Subject::new(&name, golden.seed, Precision::Fp32, Device::Cpu);
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

#[test]
fn bf16_logits_are_near_those_of_fp32() {
    let golden = golden();
    let images = testkit::normalised(&testkit::batch(golden.seed, golden.images).0);
    for (name, model) in golden.models {
        let mut subject = Subject::new(&name, golden.seed, Precision::Bf16, Device::Cpu);
        let eval = error(&subject.logits(&images, false), &model.eval);
        let train = error(&subject.logits(&images, true), &model.train);
        println!("{name}: eval {eval:.1e}, train {train:.1e}");
        assert!(eval < 0.05 && train < 0.05, "{name}: {eval:e}, {train:e}");
    }
}
