//! Optimisers against traces of PyTorch's own (golden/optimizers.py made golden/optimizers.json).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use learn::{AdamW, Optimizer, Sgd, StepAt};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/optimizers.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32).collect()
}

/// Parameters after each step, and the slots after the last. The parameters are cut into `parts`, each stepped by itself.
fn trace(optimizer: &Optimizer, parts: usize) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let golden = golden();
    let parameters = Tensor::from_slice(&floats(&golden["start"]));
    let len = parameters.numel();
    let zeros = || Tensor::zeros([len as i64], (Kind::Float, Device::Cpu));
    let slots: Vec<Tensor> = optimizer.update().slots().iter().map(|_| zeros()).collect();
    let mut steps = Vec::new();
    for (step, gradient) in golden["gradients"].as_array().unwrap().iter().enumerate() {
        let gradient = Tensor::from_slice(&floats(gradient));
        let rate = golden["rates"][step].as_f64().unwrap();
        for part in 0..parts {
            let range = len * part / parts..len * (part + 1) / parts;
            let cut = |whole: &Tensor| whole.narrow(0, range.start as i64, range.len() as i64);
            let mut slots: Vec<Tensor> = slots.iter().map(cut).collect();
            let at = StepAt { rate, number: step as u64 + 1, decays: true };
            optimizer.update().step(at, &mut cut(&parameters), &mut slots, &cut(&gradient)).unwrap();
        }
        steps.push(Vec::try_from(&parameters).unwrap());
    }
    (steps, slots.iter().map(|slot| Vec::try_from(slot).unwrap()).collect())
}

/// The largest difference, as a share of the larger of a value and 1.
fn off(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter().zip(theirs).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f32::max)
}

/// Holds the trace of `optimizer` against that of the name `name`.
fn compare(name: &str, optimizer: &Optimizer, slots: &[&str], tolerance: f32) {
    let golden = &golden()[name];
    let (steps, ours) = trace(optimizer, 1);
    for (step, (ours, theirs)) in steps.iter().zip(golden["steps"].as_array().unwrap()).enumerate() {
        let off = off(ours, &floats(theirs));
        assert!(off <= tolerance, "{name}, step {step}: {off:e}");
    }
    for (ours, slot) in ours.iter().zip(slots) {
        let off = off(ours, &floats(&golden["slots"][slot]));
        assert!(off <= tolerance, "{name}, {slot}: {off:e}");
    }
    // P1: how a step is cut into parts is not seen in a bit of it.
    for parts in [2, 5, 37] {
        assert_eq!(trace(optimizer, parts), (steps.clone(), ours.clone()), "{name} in {parts} parts");
    }
}

#[test]
fn sgd_is_pytorchs() {
    let sgd = Sgd { momentum: 0.9, nesterov: false, weight_decay: 5e-4 };
    compare("sgd", &Optimizer::Sgd(sgd), &["momentum_buffer"], 2.5e-7);
    let nesterov = Sgd { momentum: 0.8, nesterov: true, weight_decay: 1e-2 };
    compare("nesterov", &Optimizer::Sgd(nesterov), &["momentum_buffer"], 2.5e-7);
}

#[test]
fn adamw_is_pytorchs() {
    compare("adamw", &Optimizer::Adamw(AdamW::default()), &["exp_avg", "exp_avg_sq"], 5e-7);
    let other = AdamW { beta1: 0.8, beta2: 0.95, eps: 1e-3, weight_decay: 0.0 };
    compare("adamw_other", &Optimizer::Adamw(other), &["exp_avg", "exp_avg_sq"], 5e-7);
}

#[test]
fn what_does_not_decay_is_not_pulled() {
    for optimizer in [Optimizer::Sgd(Sgd::default()), Optimizer::Adamw(AdamW::default())] {
        let mut slots: Vec<Tensor> =
            optimizer.update().slots().iter().map(|_| Tensor::from_slice(&[0.0_f32])).collect();
        let mut parameter = Tensor::from_slice(&[1.0_f32]);
        let at = StepAt { rate: 0.1, number: 1, decays: false };
        optimizer.update().step(at, &mut parameter, &mut slots, &Tensor::from_slice(&[0.0_f32])).unwrap();
        assert_eq!(parameter.double_value(&[0]), 1.0, "{optimizer:?}");
        optimizer
            .update()
            .step(StepAt { decays: true, ..at }, &mut parameter, &mut slots, &Tensor::from_slice(&[0.0_f32]))
            .unwrap();
        assert!(parameter.double_value(&[0]) < 1.0, "{optimizer:?}");
    }
}
