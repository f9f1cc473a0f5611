//! The crate's convolutions against libtorch's in f64.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use operations::{Convolution, has_matrix_units};
use std::sync::{Mutex, PoisonError};
use tch::{Device, Kind, Tensor, no_grad};

const CONVOLUTION: Convolution = Convolution { stride: 1, padding: 1 };

/// libtorch has one generator and one number of threads for all tests of this process, so they take turns.
static TURNS: Mutex<()> = Mutex::new(());

fn random([n, channels, h, w]: [i64; 4]) -> Tensor {
    Tensor::randn([n, h, w, channels], (Kind::Float, Device::Cpu)).permute([0, 3, 1, 2])
}

/// The norm of the difference as a share of that of `expected`.
fn error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    ((found - &expected).norm() / expected.norm()).double_value(&[])
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    let values = Vec::<f32>::try_from(&tensor.contiguous().view([-1])).unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn outputs_and_gradients_are_those_of_a_direct_convolution() {
    let _turn = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(1);
    // One register and several, fewer tiles than a group has, a last group that lacks some, more than a block.
    let cases = [
        (1, 16, 16, 4, 4),
        (3, 16, 32, 8, 12),
        (2, 48, 16, 4, 8),
        (5, 32, 32, 16, 16),
        (40, 16, 16, 32, 32),
        (7, 64, 64, 8, 8),
        (2, 128, 256, 4, 4),
    ];
    for (n, inputs, outputs, h, w) in cases {
        let (input, gradient) = (random([n, inputs, h, w]), random([n, outputs, h, w]));
        let weight = Tensor::randn([outputs, inputs, 3, 3], (Kind::Float, Device::Cpu));
        let [exact_input, exact_gradient, exact_weight] =
            [&input, &gradient, &weight].map(|tensor| tensor.to_kind(Kind::Double));
        no_grad(|| {
            let expected = CONVOLUTION.direct(&exact_input, &exact_weight).unwrap();
            let found = CONVOLUTION.forward(&input, &weight).unwrap();
            let case = format!("{n}x{inputs}x{h}x{w} to {outputs}");
            assert!(error(&found, &expected) < 5e-6, "{case}: {:e}", error(&found, &expected));
            let (expected_input, expected_weight) =
                CONVOLUTION.direct_backward(&exact_gradient, &exact_input, &exact_weight, true).unwrap();
            let (found_input, found_weight) = CONVOLUTION.backward(&gradient, &input, &weight, true).unwrap();
            let errors =
                [error(&found_input.unwrap(), &expected_input.unwrap()), error(&found_weight, &expected_weight)];
            assert!(errors.iter().all(|error| *error < 1e-5), "{case}: {errors:?}");
        });
    }
}

#[test]
fn an_image_comes_out_the_same_in_any_batch_and_on_any_number_of_threads() {
    let _turn = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(2);
    let input = random([37, 32, 32, 32]);
    let weight = Tensor::randn([32, 32, 3, 3], (Kind::Float, Device::Cpu));
    let all = CONVOLUTION.forward(&input, &weight).unwrap();
    for image in [0, 17, 36] {
        let alone = CONVOLUTION.forward(&input.narrow(0, image, 1), &weight).unwrap();
        assert_eq!(bits(&alone), bits(&all.narrow(0, image, 1)), "image {image}");
    }
    tch::set_num_threads(3);
    let threaded = CONVOLUTION.forward(&input, &weight).unwrap();
    let (_, first) = CONVOLUTION.backward(&all, &input, &weight, false).unwrap();
    let (_, second) = CONVOLUTION.backward(&all, &input, &weight, false).unwrap();
    tch::set_num_threads(1);
    let (_, single) = CONVOLUTION.backward(&all, &input, &weight, false).unwrap();
    assert_eq!(bits(&threaded), bits(&all));
    assert_eq!(bits(&first), bits(&second), "the same number of threads repeats the bits");
    assert!(error(&first, &single) < 1e-5);
}

/// Images of a batch in bf16.
const IMAGES: i32 = 6;

/// The largest relative error of one rounding to bf16, which has eight bits, with some room for the sums in fp32.
const ROUNDING: f64 = 4e-3;

#[test]
fn large_weights_in_bf16_come_to_what_a_direct_convolution_does() {
    let _turn = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(3);
    // What goes through one product of matrices, as the models have it: stages' first layers, their others, 1x1.
    for (inputs, outputs, side, kernel, stride) in [
        (256, 256, 8, 3, 1),
        (128, 256, 16, 3, 2),
        (512, 512, 4, 3, 1),
        (256, 512, 8, 3, 2),
        (256, 512, 8, 1, 2),
        (64, 256, 8, 1, 1),
        (512, 768, 4, 1, 1),
        (256, 64, 4, 3, 1),
    ] {
        let convolution = Convolution { stride, padding: kernel / 2 };
        let out = side / stride;
        let bf16 = |tensor: Tensor| tensor.to_kind(Kind::BFloat16);
        let images = i64::from(IMAGES);
        let (input, gradient) = (bf16(random([images, inputs, side, side])), bf16(random([images, outputs, out, out])));
        // Output, gradient of the input and gradient of the weight: which of them are one product, by src/columns.rs.
        let (large, pixels) = (inputs >= 256 && outputs >= 256, out * out);
        let products = [large && pixels <= 16, large && pixels <= 16 && stride == 1, outputs >= 256 && pixels <= 64]
            .map(|product| product && has_matrix_units());
        let weight = bf16(Tensor::randn([outputs, inputs, kernel, kernel], (Kind::Float, Device::Cpu)));
        let [exact_input, exact_gradient, exact_weight] =
            [&input, &gradient, &weight].map(|tensor| tensor.to_kind(Kind::Double));
        no_grad(|| {
            let (expected_input, expected) =
                convolution.direct_backward(&exact_gradient, &exact_input, &exact_weight, true).unwrap();
            let (found_input, found) = convolution.backward(&gradient, &input, &weight, true).unwrap();
            let output = convolution.forward(&input, &weight).unwrap();
            let expected_output = convolution.direct(&exact_input, &exact_weight).unwrap();
            let errors = [
                error(&output, &expected_output),
                error(&found_input.unwrap(), &expected_input.unwrap()),
                error(&found, &expected),
            ];
            let case = format!("{inputs}x{side}x{side} to {outputs}, {kernel}x{kernel}");
            for (found, product) in errors.iter().zip(products) {
                // A product rounds each result once. On a processor without units for bf16, libtorch goes image by
                // image and rounds the sum after each. Such errors of chance grow as the root of the number of images.
                let roundings = if product { 1.0 } else { f64::from(IMAGES) };
                let allowed = ROUNDING * f64::sqrt(roundings);
                assert!(*found < allowed, "{case}: {found:e} where {allowed:e} is allowed");
            }
            let (none, again) = convolution.backward(&gradient, &input, &weight, false).unwrap();
            assert!(none.is_none(), "{case}");
            assert!(again.equal(&found), "{case}");
        });
    }
}
