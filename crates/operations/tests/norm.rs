//! The fused kernels against libtorch's own operations and against autograd.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use operations::norm::{self, Affine, Statistics, Upstream, plain};
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind, Tensor, no_grad};

struct Case {
    x: Tensor,
    affine: Affine,
    shortcut: Tensor,
    gradient: Tensor,
    second: Tensor,
}

impl Case {
    fn in_f32(&self) -> Self {
        let [x, shortcut, gradient, second] =
            [&self.x, &self.shortcut, &self.gradient, &self.second].map(|tensor| tensor.to_kind(Kind::Float));
        let affine = Affine { weight: self.affine.weight.copy(), bias: self.affine.bias.copy() };
        Self { x, affine, shortcut, gradient, second }
    }
}

fn random(size: [i64; 4], kind: Kind) -> Tensor {
    let [n, channels, h, w] = size;
    Tensor::randn([n, h, w, channels], (Kind::Float, Device::Cpu)).to_kind(kind).permute([0, 3, 1, 2])
}

/// libtorch has one generator for all threads: tests take turns in drawing from it.
static DRAWS: Mutex<()> = Mutex::new(());

fn draw<T>(seed: i64, values: impl FnOnce() -> T) -> T {
    let _turn = DRAWS.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    values()
}

fn case(size: [i64; 4], kind: Kind) -> Case {
    draw(size.iter().sum(), || drawn_case(size, kind))
}

fn drawn_case(size: [i64; 4], kind: Kind) -> Case {
    let options = (Kind::Float, Device::Cpu);
    Case {
        // Off centre, as convolutions are.
        x: random(size, Kind::Float).f_mul_scalar(2.0).unwrap().f_add_scalar(3.0).unwrap().to_kind(kind),
        affine: Affine { weight: Tensor::rand([size[1]], options) + 0.5, bias: Tensor::randn([size[1]], options) },
        shortcut: random(size, kind),
        gradient: random(size, kind),
        second: random(size, kind),
    }
}

fn zeros(channels: i64) -> [Tensor; 2] {
    [(); 2].map(|()| Tensor::zeros([channels], (Kind::Float, Device::Cpu)))
}

/// The norm of the difference as a share of that of `expected`.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    ((found - &expected).norm() / expected.norm()).double_value(&[])
}

/// What an earlier batch left must not matter, not even if it was no number.
#[test]
fn batch_statistics_are_those_of_the_batch_alone() {
    let Case { x, affine, .. } = case([2, 16, 4, 4], Kind::Float);
    for train in [norm::train, plain::train] {
        let statistics = |before: f64| {
            let mut batch = zeros(16);
            for values in &mut batch {
                let _ = values.fill_(before);
            }
            let _ = no_grad(|| train(&x, &affine, &mut batch, None, true)).unwrap();
            batch.map(|values| Vec::<f32>::try_from(&values).unwrap())
        };
        let expected = statistics(0.0);
        assert!(expected.iter().flatten().all(|value| value.is_finite()));
        for before in [f64::NAN, f64::INFINITY, 1e30] {
            assert_eq!(statistics(before), expected, "{before} was there");
        }
    }
}

struct Results {
    output: Tensor,
    batch: [Tensor; 2],
    statistics: Statistics,
    gradients: norm::Gradients,
    parameters: Affine,
}

type Train =
    fn(&Tensor, &Affine, &mut [Tensor; 2], Option<&Tensor>, bool) -> Result<(Tensor, Statistics), tch::TchError>;

fn results(case: &Case, [relu, shortcut, second]: [bool; 3], fused: bool) -> Results {
    let channels = case.x.size()[1];
    let mut batch = zeros(channels);
    let train: Train = if fused { norm::train } else { plain::train };
    let (output, statistics) =
        train(&case.x, &case.affine, &mut batch, shortcut.then_some(&case.shortcut), relu).unwrap();
    let upstream = Upstream {
        gradient: case.gradient.copy(),
        second: second.then_some(&case.second),
        output: &output,
        relu,
        shortcut,
    };
    let [weight, bias] = zeros(channels);
    let mut parameters = Affine { weight, bias };
    let gradients = if fused {
        norm::backward(upstream, case.x.copy(), &case.affine, &statistics, &mut parameters)
    } else {
        plain::backward(upstream, &case.x, &case.affine, &statistics, &mut parameters)
    };
    Results { output, batch, statistics, gradients: gradients.unwrap(), parameters }
}

/// Sizes as the models have them, and such that threads share the rows unevenly.
const SIZES: [[i64; 4]; 5] = [[3, 16, 8, 8], [2, 32, 16, 16], [64, 64, 8, 8], [5, 128, 4, 4], [1, 2048, 4, 4]];

/// The kernels in `kind` against libtorch in f32 on the same values.
fn compare(kind: Kind, tolerance: f64) {
    for size in SIZES {
        assert!(norm::is_fused(Device::Cpu, size[1]));
        let case = case(size, kind);
        let exact = case.in_f32();
        for flags in 0..8 {
            let (relu, shortcut, second) = (flags & 1 > 0, flags & 2 > 0, flags & 4 > 0);
            let ours = results(&case, [relu, shortcut, second], true);
            let theirs = results(&exact, [relu, shortcut, second], false);
            let errors = [
                error(&ours.output, &theirs.output),
                error(&ours.batch[0], &theirs.batch[0]),
                error(&ours.batch[1], &theirs.batch[1]),
                error(&ours.statistics.mean, &theirs.statistics.mean),
                error(&ours.statistics.invstd, &theirs.statistics.invstd),
                error(&ours.gradients.input, &theirs.gradients.input),
                error(&ours.parameters.weight, &theirs.parameters.weight),
                error(&ours.parameters.bias, &theirs.parameters.bias),
            ];
            let what = format!("{size:?}, relu {relu}, shortcut {shortcut}, second {second}: {errors:?}");
            assert!(errors.iter().all(|error| *error < tolerance), "{what}");
            if shortcut {
                let error = error(&ours.gradients.sum, &theirs.gradients.sum);
                assert!(error < tolerance, "{what}: sum {error:e}");
            }
        }
    }
}

#[test]
fn fp32_is_as_libtorch_has_it() {
    tch::set_num_threads(1);
    no_grad(|| compare(Kind::Float, 5e-6));
}

#[test]
fn bf16_is_fp32_but_for_the_rounding_of_what_is_stored() {
    no_grad(|| compare(Kind::BFloat16, 0.005));
}

#[test]
fn inference_is_as_libtorch_has_it() {
    no_grad(|| {
        let case = case([3, 32, 8, 8], Kind::Float);
        let running = [draw(1, || Tensor::randn([32], (Kind::Float, Device::Cpu))), &case.affine.weight * 2.0];
        for (shortcut, relu) in [(None, false), (None, true), (Some(&case.shortcut), true)] {
            let ours = norm::infer(case.x.copy(), &case.affine, &running, shortcut, relu).unwrap();
            let theirs = plain::infer(&case.x, &case.affine, &running, shortcut, relu).unwrap();
            assert!(error(&ours, &theirs) < 1e-6);
        }
    });
}

#[test]
fn the_same_bits_every_time_and_whatever_the_threads_do() {
    no_grad(|| {
        let case = case([64, 64, 8, 8], Kind::Float);
        for threads in [1, 3] {
            tch::set_num_threads(threads);
            let [first, again] = [(); 2].map(|()| results(&case, [true; 3], true));
            assert_eq!(first.gradients.input, again.gradients.input);
            assert_eq!(first.parameters.weight, again.parameters.weight);
            assert_eq!(first.output, again.output);
        }
        tch::set_num_threads(1);
    });
}

#[test]
fn a_diverged_value_stays_visible() {
    no_grad(|| {
        let case = case([2, 32, 16, 16], Kind::Float);
        let _ = case.x.get(0).get(0).get(0).get(3).fill_(f64::NAN);
        let (output, _) = norm::train(&case.x, &case.affine, &mut zeros(32), None, true).unwrap();
        assert!(output.isnan().any().int64_value(&[]) == 1);
    });
}
