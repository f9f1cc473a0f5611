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
const WITH_GRADIENTS: [(&str, &[Precision]); 3] = [
    ("resnet20", &[Precision::Fp32, Precision::Bf16]),
    ("resnet18", &[Precision::Fp32, Precision::Bf16]),
    (golden::WITH_LARGE_STEM, &[Precision::Fp32]),
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
fn gradients(name: &str, precision: Precision, device: Device) -> Vec<f64> {
    let golden = golden();
    let (images, labels) = testkit::batch(golden.seed, golden.images);
    let (images, labels) =
        (testkit::normalised(&images).to_device(device), Tensor::from_slice(&labels).to_device(device));
    let mut subject = Subject::new(name, golden.seed, precision, device);
    let images = subject.sized(&images);
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
    let of_the_kernels: Vec<_> = WITH_GRADIENTS.map(|(name, _)| gradients(name, Precision::Fp32, Device::Cpu)).into();
    operations::go_as_on_a_gpu();
    operations::set_deterministic(true);
    operations::keep_all_bits();
    let device = device();
    for ((name, precisions), theirs) in WITH_GRADIENTS.into_iter().zip(&of_the_kernels) {
        for &precision in precisions {
            let off = distance(&gradients(name, precision, device), theirs);
            println!("{name}, {precision:?}: gradients {off:.1e}");
            assert!(off < allowed(precision), "{name}, {precision:?}: {off:e}");
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
