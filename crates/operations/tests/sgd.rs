//! The step in one pass against libtorch's operations one by one, to the bit.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use operations::sgd::{self, Factors};
use tch::{Device, Kind, Tensor};

fn bits(tensor: &Tensor) -> Vec<u32> {
    Vec::<f32>::try_from(tensor).unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn one_pass_is_the_operations_one_by_one_on_any_number_of_threads() {
    tch::manual_seed(3);
    // Also no whole number of registers, and enough for two threads.
    for (len, decay) in [(1, 5e-4), (37, 0.0), (1000, 5e-4), ((1 << 17) + 5, 5e-4)] {
        let random = || Tensor::randn([len], (Kind::Float, Device::Cpu));
        let (mut parameters, mut momentum) = (random(), random());
        let (mut expected_parameters, mut expected_momentum) = (parameters.copy(), momentum.copy());
        for threads in [1, 2, 3] {
            tch::set_num_threads(threads);
            let gradient = random();
            let decayed = if decay == 0.0 { gradient.copy() } else { &gradient + &expected_parameters * decay };
            expected_momentum = expected_momentum * 0.9 + decayed;
            expected_parameters -= &expected_momentum * 0.1;
            let factors = Factors { rate: 0.1, momentum: 0.9, nesterov: false, weight_decay: decay as f32 };
            sgd::step(factors, &mut parameters, &mut momentum, &gradient).unwrap();
            assert_eq!(bits(&momentum), bits(&expected_momentum), "{len} elements, {threads} threads");
            assert_eq!(bits(&parameters), bits(&expected_parameters), "{len} elements, {threads} threads");
        }
    }
}

#[test]
fn nesterovs_momentum_is_the_operations_one_by_one() {
    tch::manual_seed(4);
    tch::set_num_threads(1);
    for decay in [0.0, 5e-4] {
        let random = || Tensor::randn([1001], (Kind::Float, Device::Cpu));
        let (mut parameters, mut momentum) = (random(), random());
        let (mut expected_parameters, mut expected_momentum) = (parameters.copy(), momentum.copy());
        for _ in 0..3 {
            let gradient = random();
            let decayed = if decay == 0.0 { gradient.copy() } else { &gradient + &expected_parameters * decay };
            expected_momentum = expected_momentum * 0.9 + &decayed;
            expected_parameters -= (decayed + &expected_momentum * 0.9) * 0.1;
            let factors = Factors { rate: 0.1, momentum: 0.9, nesterov: true, weight_decay: decay as f32 };
            sgd::step(factors, &mut parameters, &mut momentum, &gradient).unwrap();
            assert_eq!(bits(&momentum), bits(&expected_momentum));
            assert_eq!(bits(&parameters), bits(&expected_parameters));
        }
    }
}

#[test]
fn buffers_of_different_lengths_are_refused() {
    let zeros = |len: i64| Tensor::zeros([len], (Kind::Float, Device::Cpu));
    let factors = Factors { rate: 0.1, momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    assert!(sgd::step(factors, &mut zeros(3), &mut zeros(4), &zeros(4)).is_err());
}
