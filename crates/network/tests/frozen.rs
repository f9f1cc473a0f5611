//! A network that only answers: PyTorch's logits, and the same bytes for an image alone and in any batch.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod golden;

use golden::{Subject, architecture, error, golden};
use network::FrozenNetwork;
use plan::Precision;
use proptest::prelude::*;
use tch::{Device, Tensor};

fn frozen(name: &str) -> FrozenNetwork {
    let subject = Subject::new(name, golden().seed, Precision::Fp32, Device::Cpu);
    FrozenNetwork::new(&architecture(name), &subject.parameters, &subject.statistics).unwrap()
}

#[test]
fn logits_are_pytorchs() {
    let golden = golden();
    let images = testkit::normalised(&testkit::batch(golden.seed, golden.images).0);
    for (name, model) in golden.models {
        let subject = Subject::new(&name, golden.seed, Precision::Fp32, Device::Cpu);
        let images = subject.sized(&images);
        let logits: Vec<f64> = frozen(&name).logits(&images).unwrap().concat().into_iter().map(f64::from).collect();
        let eval = error(&logits, &model.eval);
        println!("{name}: {eval:.1e}");
        assert!(eval < 1e-5, "{name}: {eval:e}");
    }
}

const IMAGES: i64 = 24;

fn bits(network: &FrozenNetwork, images: &[usize]) -> Vec<Vec<u32>> {
    tch::set_num_threads(1);
    let drawn = testkit::normalised(&testkit::batch(9, IMAGES as u32).0).permute([0, 2, 3, 1]);
    let batch: Vec<i64> = images.iter().map(|image| *image as i64).collect();
    let batch = drawn.index_select(0, &Tensor::from_slice(&batch)).permute([0, 3, 1, 2]);
    let logits = network.logits(&batch).unwrap();
    logits.into_iter().map(|row| row.into_iter().map(f32::to_bits).collect()).collect()
}

#[test]
fn an_image_is_the_same_bytes_in_any_batch() {
    // Models that take different ways.
    let subjects = ["resnet20", "resnet18", "resnet50", "resnet18-large"].map(|name| {
        let network = frozen(name);
        let alone: Vec<Vec<u32>> = (0..IMAGES as usize).map(|image| bits(&network, &[image]).remove(0)).collect();
        (name, network, alone)
    });
    proptest!(ProptestConfig::with_cases(6), |(images in prop::collection::vec(0..IMAGES as usize, 1..40))| {
        for (name, network, alone) in &subjects {
            for (image, together) in images.iter().zip(bits(network, &images)) {
                prop_assert!(together == alone[*image], "{name}: image {image} of {images:?}");
            }
        }
    });
}
