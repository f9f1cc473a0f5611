//! Convolutions whose weight does not change any more.

use crate::{Convolution, winograd};
use tch::{TchError, Tensor};

/// A convolution with a weight that does not change any more, in f32 on a CPU. What it makes of an image is the same bytes
/// whether the image is alone or in any batch.
///
/// The kernels of this crate compute each tile of an image by itself. libtorch's convolution chooses its way by the
/// size of the batch. So it gets one image at a time.
#[derive(Debug)]
pub struct Frozen {
    convolution: Convolution,
    /// With channels last in memory, else every call would lay it out anew.
    weight: Tensor,
    filters: Option<winograd::Filters>,
}

impl Frozen {
    /// `convolution` with `weight`, `[outputs, inputs, k, k]`, which is not written to from now on.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory.
    pub fn new(convolution: Convolution, weight: &Tensor) -> Result<Self, TchError> {
        let filters = winograd::Filters::new(weight, (convolution.stride, convolution.padding))?;
        let weight = weight.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?;
        Ok(Self { convolution, weight, filters })
    }

    /// What it takes of the memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.weight.numel() * size_of::<f32>() + self.filters.as_ref().map_or(0, winograd::Filters::bytes)
    }

    /// As [`Convolution::forward`], for `input` with channels last in memory.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        if let Some(filters) = self.filters.as_ref().filter(|filters| filters.fit(input)) {
            return filters.forward(input);
        }
        let images = input.size().first().copied().unwrap_or_default();
        let outputs: Vec<Tensor> = (0..images)
            .map(|image| self.convolution.direct(&input.f_narrow(0, image, 1)?, &self.weight)?.f_permute([0, 2, 3, 1]))
            .collect::<Result<_, _>>()?;
        match <[Tensor; 1]>::try_from(outputs) {
            Ok([output]) => output.f_permute([0, 3, 1, 2]),
            Err(outputs) => Tensor::f_cat(&outputs, 0)?.f_permute([0, 3, 1, 2]),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use proptest::prelude::*;
    use tch::{Device, Kind, no_grad};

    fn random(size: [i64; 4]) -> Tensor {
        Tensor::randn(size, (Kind::Float, Device::Cpu))
    }

    fn images([n, channels, side]: [i64; 3]) -> Tensor {
        random([n, side, side, channels]).permute([0, 3, 1, 2])
    }

    #[test]
    fn it_is_the_convolution() {
        tch::set_num_threads(1);
        tch::manual_seed(3);
        for (inputs, outputs, side, kernel, stride) in
            [(3, 16, 8, 3, 1), (16, 32, 8, 3, 1), (32, 48, 8, 3, 2), (3, 64, 20, 7, 2)]
        {
            let convolution = Convolution { stride, padding: kernel / 2 };
            let (weight, input) = (random([outputs, inputs, kernel, kernel]), images([5, inputs, side]));
            no_grad(|| {
                let found = Frozen::new(convolution, &weight).unwrap().forward(&input).unwrap();
                let expected = convolution.direct(&input.to_kind(Kind::Double), &weight.to_kind(Kind::Double)).unwrap();
                assert_eq!(found.size(), expected.size());
                let error = ((found.to_kind(Kind::Double) - &expected).norm() / expected.norm()).double_value(&[]);
                assert!(error < 2e-6, "{inputs}x{side}x{side} to {outputs}, {kernel}x{kernel}: {error:e}");
            });
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// By the kernels of this crate and by libtorch.
        #[test]
        fn an_image_is_the_same_bytes_in_any_batch(
            groups in prop::collection::vec(1i64..9, 1..6),
            (inputs, outputs, side, kernel, stride) in prop::sample::select(vec![
                (16i64, 16i64, 8i64, 3i64, 1i64), (64, 64, 8, 3, 1), (3, 16, 8, 3, 1), (32, 64, 8, 3, 2), (256, 512, 8, 3, 2), (16, 32, 8, 1, 2),
            ]),
        ) {
            tch::set_num_threads(1);
            let weight = random([outputs, inputs, kernel, kernel]);
            let frozen = Frozen::new(Convolution { stride, padding: kernel / 2 }, &weight).unwrap();
            let all = images([groups.iter().sum(), inputs, side]);
            let bits = |images: &Tensor| -> Vec<u32> {
                let output = no_grad(|| frozen.forward(images)).unwrap().permute([0, 2, 3, 1]);
                Vec::<f32>::try_from(output.reshape([-1])).unwrap().into_iter().map(f32::to_bits).collect()
            };
            let together = bits(&all);
            let (mut first, mut apart) = (0, Vec::new());
            for images in groups {
                apart.extend(bits(&all.narrow(0, first, images)));
                first += images;
            }
            prop_assert!(together == apart);
        }
    }
}
