//! The way of a GPU, sent over a CPU: libtorch's own fused kernel comes to the same, but for rounding.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use operations::sgd::{self, Factors};
use tch::{Device, Kind, Tensor};

#[test]
fn the_fused_kernel_comes_to_the_same() {
    tch::manual_seed(5);
    let random = || Tensor::randn([1001], (Kind::Float, Device::Cpu));
    let cases = [(false, 0.0), (false, 5e-4), (true, 0.0), (true, 5e-4)];
    let started: Vec<_> = cases.iter().map(|_| (random(), random(), random())).collect();
    let step = || {
        let mut ends = Vec::new();
        for ((nesterov, weight_decay), (parameters, momentum, gradient)) in cases.iter().zip(&started) {
            let (mut parameters, mut momentum, kept) = (parameters.copy(), momentum.copy(), gradient.copy());
            let factors = Factors { rate: 0.1, momentum: 0.9, nesterov: *nesterov, weight_decay: *weight_decay };
            sgd::step(factors, &mut parameters, &mut momentum, gradient).unwrap();
            assert_eq!(gradient, &kept, "the gradient is only read");
            ends.push((parameters, momentum));
        }
        ends
    };
    let ours = step();
    operations::go_as_on_a_gpu();
    for ((p, m), (fused_p, fused_m)) in ours.iter().zip(step()) {
        assert!(p.allclose(&fused_p, 1e-6, 1e-6, false) && m.allclose(&fused_m, 1e-6, 1e-6, false));
    }
}
