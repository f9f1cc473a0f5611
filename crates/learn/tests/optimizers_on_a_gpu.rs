//! Optimisers and averages on the way of a GPU: the same formulas in other operations. Without a GPU a CPU is sent the
//! same way.
//!
//! The way is the process's, so these tests have a program of their own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod trace;

use learn::{AdamW, Average, Optimizer, Sgd};
use tch::{Device, Tensor};
use trace::compare;

#[test]
fn they_are_pytorchs_too() {
    operations::go_as_on_a_gpu();
    let device = Device::cuda_if_available();
    println!("on {device:?}");
    let nesterov = Sgd { momentum: 0.8, nesterov: true, weight_decay: 1e-2 };
    compare("nesterov", &Optimizer::Sgd(nesterov), &["momentum_buffer"], 5e-7, device);
    compare("adamw", &Optimizer::Adamw(AdamW::default()), &["exp_avg", "exp_avg_sq"], 5e-7, device);
    let other = AdamW { beta1: 0.8, beta2: 0.95, eps: 1e-3, weight_decay: 0.0 };
    compare("adamw_other", &Optimizer::Adamw(other), &["exp_avg", "exp_avg_sq"], 5e-7, device);
    let mut average = Tensor::from_slice(&[7.0_f32]).to_device(device);
    for (number, value) in (1..).zip([1.0_f32, 2.0, -3.0]) {
        Average { decay: 0.9 }.follow(number, &mut average, &Tensor::from_slice(&[value]).to_device(device)).unwrap();
    }
    assert!((average.double_value(&[0]) - 0.69).abs() < 1e-6);
}
