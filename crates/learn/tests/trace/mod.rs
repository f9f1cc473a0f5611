//! Traces of PyTorch's optimisers (golden/optimizers.py made golden/optimizers.json), and what is held against them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test uses a part of it")]

use learn::{Optimizer, StepAt};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/optimizers.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

/// Parameters after each step, and the slots after the last. The parameters are cut into `parts`, each stepped by itself.
fn trace(optimizer: &Optimizer, parts: usize, device: Device) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let golden = golden();
    let parameters = Tensor::from_slice(&floats(&golden["start"])).to_device(device);
    let len = parameters.numel();
    let zeros = || Tensor::zeros([len as i64], (Kind::Float, device));
    let slots: Vec<Tensor> = optimizer.update().slots().iter().map(|_| zeros()).collect();
    let mut steps = Vec::new();
    for (step, gradient) in golden["gradients"].as_array().unwrap().iter().enumerate() {
        let gradient = Tensor::from_slice(&floats(gradient)).to_device(device);
        let rate = golden["rates"][step].as_f64().unwrap();
        for part in 0..parts {
            let range = len * part / parts..len * (part + 1) / parts;
            let cut = |whole: &Tensor| whole.narrow(0, range.start as i64, range.len() as i64);
            let mut slots: Vec<Tensor> = slots.iter().map(cut).collect();
            let at = StepAt { rate, number: step as u64 + 1, decays: true };
            optimizer.update().step(at, &mut cut(&parameters), &mut slots, &cut(&gradient)).unwrap();
        }
        steps.push(Vec::try_from(parameters.to_device(Device::Cpu)).unwrap());
    }
    (steps, slots.iter().map(|slot| Vec::try_from(slot.to_device(Device::Cpu)).unwrap()).collect())
}

/// The largest difference, as a share of the larger of a value and 1.
fn off(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f32::max)
}

/// Holds the trace of `optimizer`, on `device`, against that of the name `name`.
pub fn compare(name: &str, optimizer: &Optimizer, slots: &[&str], tolerance: f32, device: Device) {
    let golden = &golden()[name];
    let (steps, ours) = trace(optimizer, 1, device);
    for (step, (ours, theirs)) in steps.iter().zip(golden["steps"].as_array().unwrap()).enumerate() {
        let off = off(ours, &floats(theirs));
        assert!(off <= tolerance, "{name}, step {step}: {off:e}");
    }
    for (ours, slot) in ours.iter().zip(slots) {
        let off = off(ours, &floats(&golden["slots"][slot]));
        assert!(off <= tolerance, "{name}, {slot}: {off:e}");
    }
}

/// P1: how a step is cut into parts is not seen in a bit of it.
pub fn compare_parts(optimizer: &Optimizer) {
    let whole = trace(optimizer, 1, Device::Cpu);
    for parts in [2, 5, 37] {
        assert_eq!(trace(optimizer, parts, Device::Cpu), whole, "{optimizer:?} in {parts} parts");
    }
}
