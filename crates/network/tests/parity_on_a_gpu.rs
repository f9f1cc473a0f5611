//! The way of a GPU: the logits are PyTorch's, and the gradients those of the processor's kernels.
//!
//! The tests use a GPU if there is one. Otherwise a CPU takes the same way. A process has only one way, so these tests
//! have a program of their own, and take the kernels' results first.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod golden;

use golden::{Subject, error, error_of_running, golden};
use plan::Precision;
use tch::{Device, Kind, Tensor};

/// The models whose gradients are compared: they have every kind of part but the bottleneck. Models with bottlenecks
/// are so deep that a rounding error turns ReLUs over. On two ways of one CPU the gradients of ResNet-50 were 7e-5 to
/// 2e-3 apart. In bf16 neighbouring pixels are often equal, so rounding decides which one a max pooling takes. So the
/// large stem is compared in fp32 alone.
///
/// The sides of the images, in pixels, are beside the names. Sides of 30 and 15 are no multiples of a tile of the kernels.
const WITH_GRADIENTS: [(&str, i64, &[Precision]); 4] = [
    ("resnet20", 32, &[Precision::Fp32, Precision::Bf16]),
    ("resnet20", 30, &[Precision::Fp32]),
    ("resnet18", 32, &[Precision::Fp32, Precision::Bf16]),
    (golden::WITH_LARGE_STEM, 64, &[Precision::Fp32]),
];

/// How far gradients may be from those of the kernels in fp32.
fn allowed(precision: Precision) -> f64 {
    match precision {
        Precision::Fp32 => 1e-4,
        Precision::Bf16 => 0.1,
    }
}

fn device() -> Device {
    let device = Device::cuda_if_available();
    println!("on {device:?}");
    device
}

/// The gradients of the parameters, in f64 on the CPU.
fn gradients(name: &str, side: i64, precision: Precision, device: Device) -> Vec<f64> {
    let golden = golden();
    let (images, labels) = testkit::batch(golden.seed, golden.images);
    let (images, labels) =
        (testkit::normalised(&images).to_device(device), Tensor::from_slice(&labels).to_device(device));
    let mut subject = Subject::new(name, golden.seed, precision, device);
    let images = images.upsample_nearest2d([side; 2], None, None);
    let (logits, tape) = subject.network.forward(&images, || {}).unwrap();
    // The gradient of cross-entropy: softmax less the label, by sample.
    let hot = logits.zeros_like().scatter_value(1, &labels.unsqueeze(1), 1.0);
    let gradient = (logits.softmax(1, Kind::Float) - hot) / f64::from(golden.images);
    let flat = Tensor::zeros([subject.layout.parameters() as i64], (Kind::Float, device));
    subject.network.backward(tape, &gradient, &flat, |_| {}).unwrap();
    Vec::try_from(flat.to_kind(Kind::Double).to_device(Device::Cpu)).unwrap()
}

fn distance(ours: &[f64], theirs: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    norm(&mut ours.iter().zip(theirs).map(|(a, b)| a - b)) / norm(&mut theirs.iter().copied())
}

#[test]
fn logits_are_pytorchs_and_gradients_the_processors() {
    let of_the_kernels: Vec<_> =
        WITH_GRADIENTS.map(|(name, side, _)| gradients(name, side, Precision::Fp32, Device::Cpu)).into();
    operations::go_as_on_a_gpu();
    operations::set_deterministic(true);
    operations::keep_all_bits();
    let device = device();
    for ((name, side, precisions), theirs) in WITH_GRADIENTS.into_iter().zip(&of_the_kernels) {
        for &precision in precisions {
            let off = distance(&gradients(name, side, precision, device), theirs);
            println!("{name}, {side} pixels, {precision:?}: gradients {off:.1e}");
            assert!(off < allowed(precision), "{name}, {side} pixels, {precision:?}: {off:e}");
        }
    }
    let golden = golden();
    let images = testkit::normalised(&testkit::batch(golden.seed, golden.images).0);
    for (name, model) in golden.models {
        for (precision, allowed) in [(Precision::Fp32, 2e-5), (Precision::Bf16, 0.05)] {
            let mut subject = Subject::new(&name, golden.seed, precision, device);
            let eval = error(&subject.logits(&images, false), &model.eval);
            let train = error(&subject.logits(&images, true), &model.train);
            let running = error_of_running(&subject, &model.running);
            println!("{name}, {precision:?}: eval {eval:.1e}, train {train:.1e}, running statistics {running:.1e}");
            assert!(eval < allowed && train < allowed && running < allowed, "{name}: {eval:e}, {train:e}, {running:e}");
        }
    }
}
