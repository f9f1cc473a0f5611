//! The gradient of a convolution's weight as one product of matrices, in bf16 on a CPU.
//!
//! A row for each pixel of the output, holding the input's values under the filter ("im2col"; Chellapilla et al., "High
//! Performance Convolutional Neural Networks for Document Processing", 2006). The gradient of the output, transposed, times
//! that is the gradient of the weight. Where an image has few pixels and the weight many channels, oneDNN's own kernel for it
//! was measured to be up to six times slower than this one large product (AMX, one thread, 64 images of 4x4, 512 channels).

use tch::{Device, Kind, TchError, Tensor};

/// Pixels of an output at most: with more, making the rows costs more than the product saves.
const PIXELS: i64 = 64;

/// Channels of an output at least.
const CHANNELS: i64 = 256;

/// Whether the product is the faster way to the gradient of `weight`, from that of the output.
pub(crate) fn fits(gradient: &Tensor, weight: &Tensor) -> bool {
    let size = gradient.size();
    let [_, outputs, height, width] = size[..] else { return false };
    gradient.device() == Device::Cpu
        && [gradient.kind(), weight.kind()] == [Kind::BFloat16; 2]
        && height * width <= PIXELS
        && outputs >= CHANNELS
}

/// The gradient of `weight`, for `gradient` and `input` with channels last in memory.
///
/// # Errors
/// If libtorch fails, for example for want of memory.
pub(crate) fn weight_gradient(
    gradient: &Tensor,
    input: &Tensor,
    weight: &Tensor,
    (stride, padding): (i64, i64),
) -> Result<Tensor, TchError> {
    let (size, filter) = (gradient.size4()?, weight.size4()?);
    let ((images, outputs, height, width), (_, inputs, rows, columns)) = (size, filter);
    let padded = padded(&input.f_permute([0, 2, 3, 1])?, padding)?;
    let strides = padded.stride();
    let windows = padded.f_as_strided(
        [images, height, width, rows, columns, inputs],
        [strides[0], strides[1] * stride, strides[2] * stride, strides[1], strides[2], 1],
        None,
    )?;
    let windows = windows.f_reshape([images * height * width, rows * columns * inputs])?;
    let gradient = gradient.f_permute([0, 2, 3, 1])?.f_reshape([images * height * width, outputs])?;
    gradient.f_transpose(0, 1)?.f_mm(&windows)?.f_view([outputs, rows, columns, inputs])?.f_permute([0, 3, 1, 2])
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
