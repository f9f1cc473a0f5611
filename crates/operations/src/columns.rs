//! Convolutions as one product of matrices each, in bf16 on a CPU.
//!
//! Each pixel of the output has a row with the input's values under the filter ("im2col"; Chellapilla et al., "High
//! Performance Convolutional Neural Networks for Document Processing", 2006). These rows times the filters are the
//! output. The gradient of the output, transposed, times the rows is the gradient of the weight. The rows of the
//! gradient times the filters turned around are the gradient of the input.
//!
//! Where an image has few pixels and the weight many channels, oneDNN's own kernels are slower than these large
//! products. They took twice as long for the output and the gradient of the input, and up to six times for that of the
//! weight. That was measured with AMX, one thread, 64 images of 4x4 and 512 channels. Without AMX the products are
//! slower. They have 0.7 to 0.8 of the speed with AVX512-BF16 (Zen 4), and 0.4 with no units for bf16.

use crate::{is_processors, progress, units::has_matrix_units};
use tch::{Kind, TchError, Tensor};

/// The fewest channels for which the product is used.
const CHANNELS: i64 = 256;

/// The most pixels of an output for which the product is used, for it and for the gradient of the input. With more,
/// making the rows costs more than the product saves.
const PIXELS: i64 = 16;

/// The same for the gradient of the weight, for which the product saves more.
const PIXELS_OF_WEIGHT: i64 = 64;

/// Whether the product is the faster way to the output of `input`.
pub(crate) fn fits_output(input: &Tensor, weight: &Tensor, stride: i64) -> bool {
    let (size, filter) = (input.size(), weight.size());
    let ([_, inputs, height, width], [outputs, ..]) = (&size[..], &filter[..]) else { return false };
    in_bf16(input, weight)
        && (height / stride) * (width / stride) <= PIXELS
        && *inputs >= CHANNELS
        && *outputs >= CHANNELS
}

/// Whether the product is the faster way to the gradient of the input, from that of the output.
pub(crate) fn fits_input(gradient: &Tensor, weight: &Tensor, (stride, padding): (i64, i64)) -> bool {
    let size = weight.size();
    let [_, inputs, rows, columns] = size[..] else { return false };
    // It is then a convolution of the same kind, with the filters turned around.
    (stride, [rows, columns]) == (1, [2 * padding + 1; 2]) && inputs >= CHANNELS && fits_output(gradient, weight, 1)
}

/// Whether the product is the faster way to the gradient of `weight`, from that of the output.
pub(crate) fn fits_weight(gradient: &Tensor, weight: &Tensor) -> bool {
    let size = gradient.size();
    let [_, outputs, height, width] = size[..] else { return false };
    in_bf16(gradient, weight) && height * width <= PIXELS_OF_WEIGHT && outputs >= CHANNELS
}

fn in_bf16(tensor: &Tensor, weight: &Tensor) -> bool {
    is_processors(tensor.device()) && has_matrix_units() && [tensor.kind(), weight.kind()] == [Kind::BFloat16; 2]
}

/// The output, for `input` with channels last in memory.
///
/// # Errors
/// If libtorch fails, for example for want of memory.
pub(crate) fn output(input: &Tensor, weight: &Tensor, place: (i64, i64)) -> Result<Tensor, TchError> {
    let (outputs, _, side, _) = weight.size4()?;
    let windows = Windows::new(input, side, place)?;
    let filters = weight.f_permute([0, 2, 3, 1])?.f_reshape([outputs, windows.len])?;
    windows.times(&filters.f_transpose(0, 1)?)
}

/// The gradient of the input if [`fits_input`], for `gradient` with channels last in memory.
///
/// # Errors
/// As of [`output`].
pub(crate) fn input_gradient(gradient: &Tensor, weight: &Tensor, padding: i64) -> Result<Tensor, TchError> {
    let (_, inputs, side, _) = weight.size4()?;
    let windows = Windows::new(gradient, side, (1, padding))?;
    let taps = weight.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    // Tap by tap: each is whole rows of memory.
    let turned: Vec<Tensor> = (0..side * side)
        .rev()
        .map(|tap| taps.f_select(1, tap / side)?.f_select(1, tap % side))
        .collect::<Result<_, _>>()?;
    windows.times(&Tensor::f_stack(&turned, 0)?.f_view([windows.len, inputs])?)
}

/// The gradient of `weight`, for `gradient` and `input` with channels last in memory.
///
/// # Errors
/// As of [`output`].
pub(crate) fn weight_gradient(
    gradient: &Tensor,
    input: &Tensor,
    weight: &Tensor,
    place: (i64, i64),
) -> Result<Tensor, TchError> {
    let (outputs, inputs, side, _) = weight.size4()?;
    let windows = Windows::new(input, side, place)?;
    let gradient = gradient.f_permute([0, 2, 3, 1])?.f_reshape([windows.pixels(), outputs])?;
    // Transposed in memory first: the product as a whole is a third faster that way.
    let product = gradient.f_transpose(0, 1)?.f_contiguous()?.f_mm(&windows.rows)?;
    product.f_view([outputs, side, side, inputs])?.f_permute([0, 3, 1, 2])
}

/// What the filter sees at every pixel of the output.
struct Windows {
    /// `[n * height * width, len]`, dense: by tap of the filter, then channel.
    rows: Tensor,
    /// The size of the output.
    images: i64,
    height: i64,
    width: i64,
    len: i64,
}

impl Windows {
    /// The windows of filters of `side` by `side` over `input`, which has its channels last in memory.
    fn new(input: &Tensor, side: i64, (stride, padding): (i64, i64)) -> Result<Self, TchError> {
        let padded = padded(&input.f_permute([0, 2, 3, 1])?, padding)?;
        let (images, height, width, channels) = padded.size4()?;
        let [height, width] = [height, width].map(|size| (size - side) / stride + 1);
        let strides = padded.stride();
        let windows = padded.f_as_strided(
            [images, height, width, side, side, channels],
            [strides[0], strides[1] * stride, strides[2] * stride, strides[1], strides[2], 1],
            None,
        )?;
        let len = side * side * channels;
        let rows = windows.f_reshape([images * height * width, len])?;
        progress::beat();
        Ok(Self { rows, images, height, width, len })
    }

    fn pixels(&self) -> i64 {
        self.images * self.height * self.width
    }

    /// The product with `[len, channels]`, as images with channels last in memory.
    fn times(&self, filters: &Tensor) -> Result<Tensor, TchError> {
        let product = self.rows.f_mm(filters)?;
        progress::beat();
        product.f_view([self.images, self.height, self.width, filters.size()[1]])?.f_permute([0, 3, 1, 2])
    }
}

/// `pixels`, `[n, h, w, channels]` and dense, with `padding` zeros on every side of each image.
fn padded(pixels: &Tensor, padding: i64) -> Result<Tensor, TchError> {
    let pixels = pixels.f_contiguous()?;
    if padding == 0 {
        return Ok(pixels);
    }
    let size = pixels.size();
    let [images, height, width, channels] = [0, 1, 2, 3].map(|axis| size[axis]);
    let options = (pixels.kind(), pixels.device());
    let padded = Tensor::f_zeros([images, height + 2 * padding, width + 2 * padding, channels], options)?;
    padded.f_narrow(1, padding, height)?.f_narrow(2, padding, width)?.f_copy_(&pixels)?;
    Ok(padded)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use crate::Convolution;
    use tch::{Device, no_grad};

    /// On any processor, whether it takes this way or not.
    #[test]
    fn products_are_convolutions() {
        tch::manual_seed(5);
        let random = |size: [i64; 4]| Tensor::randn(size, (Kind::Float, Device::Cpu)).to_kind(Kind::BFloat16);
        let images = |[n, channels, side]: [i64; 3]| random([n, side, side, channels]).permute([0, 3, 1, 2]);
        let shapes = [(32, 48, 4, 3, 1), (48, 32, 8, 3, 2), (48, 32, 9, 3, 2), (32, 32, 4, 1, 1), (32, 48, 7, 1, 2)];
        for (inputs, outputs, side, kernel, stride) in shapes {
            // Rounded up.
            let (padding, out) = (kernel / 2, (side + stride - 1) / stride);
            let (input, gradient) = (images([5, inputs, side]), images([5, outputs, out]));
            let weight = random([outputs, inputs, kernel, kernel]);
            let exact = [&input, &gradient, &weight].map(|tensor| tensor.to_kind(Kind::Double));
            let convolution = Convolution { stride, padding };
            no_grad(|| {
                let expected = convolution.direct(&exact[0], &exact[2]).unwrap();
                let close = |found: &Tensor, expected: &Tensor| {
                    let found = found.to_kind(Kind::Double);
                    let error = ((&found - expected).norm() / expected.norm()).double_value(&[]);
                    // Half a unit in the last of bf16's eight bits.
                    assert!(error < 4e-3, "{inputs}x{side}x{side} to {outputs}, {kernel}x{kernel}: {error:e}");
                };
                close(&output(&input, &weight, (stride, padding)).unwrap(), &expected);
                let (of_input, of_weight) = convolution.direct_backward(&exact[1], &exact[0], &exact[2], true).unwrap();
                close(&weight_gradient(&gradient, &input, &weight, (stride, padding)).unwrap(), &of_weight);
                if stride == 1 {
                    close(&input_gradient(&gradient, &weight, padding).unwrap(), &of_input.unwrap());
                }
            });
        }
    }
}
