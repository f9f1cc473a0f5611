//! Optimisers against traces of PyTorch's own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod trace;

use learn::{AdamW, Optimizer, Sgd, StepAt};
use tch::{Device, Tensor};
use trace::{compare, compare_parts};

#[test]
fn sgd_is_pytorchs() {
    let sgd = Sgd { momentum: 0.9, nesterov: false, weight_decay: 5e-4 };
    compare("sgd", &Optimizer::Sgd(sgd), &["momentum_buffer"], 2.5e-7, Device::Cpu);
    let nesterov = Sgd { momentum: 0.8, nesterov: true, weight_decay: 1e-2 };
    compare("nesterov", &Optimizer::Sgd(nesterov), &["momentum_buffer"], 2.5e-7, Device::Cpu);
    compare_parts(&Optimizer::Sgd(sgd));
    compare_parts(&Optimizer::Sgd(nesterov));
}

#[test]
fn adamw_is_pytorchs() {
    compare("adamw", &Optimizer::Adamw(AdamW::default()), &["exp_avg", "exp_avg_sq"], 5e-7, Device::Cpu);
    let other = AdamW { beta1: 0.8, beta2: 0.95, eps: 1e-3, weight_decay: 0.0 };
    compare("adamw_other", &Optimizer::Adamw(other), &["exp_avg", "exp_avg_sq"], 5e-7, Device::Cpu);
    compare_parts(&Optimizer::Adamw(AdamW::default()));
    compare_parts(&Optimizer::Adamw(other));
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
