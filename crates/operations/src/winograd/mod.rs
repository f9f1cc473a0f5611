//! 3x3 convolutions of stride 1 in f32 on a CPU, in a quarter of the multiplications. They use Winograd's minimal
//! filtering F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015).
//!
//! Tiles of 6x6 inputs are transformed to 36 points. At each point the channels of many tiles are multiplied with the
//! transformed filters as matrices. The products are transformed to tiles of 4x4 outputs. The gradient of the input is
//! such a convolution with the filters turned around. That of the weight goes through the transposed maps. A block of
//! tiles stays in the second-level cache from its transformation to its outputs.
//!
//! Results differ from those of a direct convolution by some 1e-6 of their norm. The bits of an image are the same in
//! any batch. Those of the weight's gradient depend on the number of threads.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the instruction set")]

mod correlate;
mod filter;
mod filters;
mod multiply;
mod packed;
mod points;
mod shape;
mod square;
mod tile;
mod transform;
mod weight;

use crate::is_processors;
use crate::memory::{dense, dense_mut, pixels, pixels_mut};
use crate::parallel::{parallel, pieces, threads};
use crate::widest::arch;
use correlate::{Correlate, Pack};
use filter::Direction;
pub(crate) use filters::Filters;
use packed::{Aligned, GROUP};
use pulp::Arch;
use shape::TileShape;
use std::ops::Range;
use tch::{Device, Kind, TchError, Tensor};
use transform::{OUTPUTS, POINTS, TAPS};
use weight::{FilterGradient, Unpack};

/// Channels have to be a multiple of this: the widest register.
const CHANNELS: i64 = 16;

/// Bytes of a block of tiles: half of the smallest second-level cache at hand, a Zen 3's. On a Zen 4 with 1 MiB, half
/// and twice as much are as fast. In the gradient of the weight it decides the order of additions, and so the bits.
const BLOCK: usize = 1 << 18;

/// The fewest groups of a block, so that filters that do not fit the cache are not read too often.
const GROUPS: usize = 4;

/// Multiplications below which a second thread costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 22;

/// Whether the kernels take a convolution of `input` with `weight`.
pub(crate) fn fits(input: &Tensor, weight: &Tensor, (stride, padding): (i64, i64)) -> bool {
    fits_weight(weight, (stride, padding)) && fits_input(input, weight.size()[1])
}

/// Whether there are inputs that the kernels convolve with `weight`.
fn fits_weight(weight: &Tensor, place: (i64, i64)) -> bool {
    let size = weight.size();
    let [outputs, inputs, rows, columns] = size[..] else { return false };
    is_processors(weight.device())
        && weight.kind() == Kind::Float
        && weight.is_contiguous()
        && place == (1, 1)
        && [rows, columns] == [TAPS as i64; 2]
        && whole(inputs, CHANNELS)
        && whole(outputs, CHANNELS)
        && !matches!(arch(), Arch::Scalar)
}

/// Whether the kernels take `input`, which is to have `inputs` channels.
fn fits_input(input: &Tensor, inputs: i64) -> bool {
    let size = input.size();
    let [_, channels, height, width] = size[..] else { return false };
    is_processors(input.device())
        && input.kind() == Kind::Float
        && pixels::<f32>(input).is_ok()
        && channels == inputs
        && whole(height, OUTPUTS as i64)
        && whole(width, OUTPUTS as i64)
}

fn whole(value: i64, unit: i64) -> bool {
    value > 0 && value % unit == 0
}

/// The output for what [`fits`].
///
/// # Errors
/// If libtorch has no memory, or `input` does not have its channels last.
pub(crate) fn forward(input: &Tensor, weight: &Tensor) -> Result<Tensor, TchError> {
    let shape = shape(input, weight);
    correlate(input, weight, shape, Direction::Forward)
}

/// The gradients for what [`fits`]: of the input, if it is wanted, and of the weight.
///
/// # Errors
/// As of [`forward`].
pub(crate) fn backward(
    gradient: &Tensor,
    input: &Tensor,
    weight: &Tensor,
    input_wanted: bool,
) -> Result<(Option<Tensor>, Tensor), TchError> {
    let shape = shape(input, weight);
    let of_input =
        input_wanted.then(|| correlate(gradient, weight, shape.reversed(), Direction::Backward)).transpose()?;
    let (inputs, gradients) = (pixels::<f32>(input)?, pixels::<f32>(gradient)?);
    let pieces = parallel(shares(shape).map(|images| {
        let (input_len, output_len) = (shape.image(shape.inputs), shape.image(shape.outputs));
        let piece = FilterGradient {
            shape: TileShape { images: images.len(), ..shape },
            input: &inputs[images.start * input_len..images.end * input_len],
            gradient: &gradients[images.start * output_len..images.end * output_len],
        };
        move || arch().dispatch(piece)
    }));
    let mut pieces = pieces.into_iter();
    let mut filters = pieces.next().unwrap_or_else(|| Aligned::zeros(POINTS * POINTS * shape.inputs * shape.outputs));
    pieces.for_each(|piece| filters.add(&piece));
    let mut of_weight = weight.f_empty_like()?;
    let len = of_weight.numel();
    arch().dispatch(Unpack { shape, filters: &filters, weight: dense_mut(&mut of_weight, len)? });
    Ok((of_input, of_weight))
}

fn correlate(input: &Tensor, weight: &Tensor, shape: TileShape, direction: Direction) -> Result<Tensor, TchError> {
    let filters = arch().dispatch(Pack { weight: dense(weight, weight.numel())?, shape, direction });
    with_filters(input, &filters, shape)
}

fn with_filters(input: &Tensor, filters: &Aligned, shape: TileShape) -> Result<Tensor, TchError> {
    let size = [shape.images, shape.height, shape.width, shape.outputs].map(|size| size as i64);
    let mut output = Tensor::f_empty(size, (Kind::Float, Device::Cpu))?.f_permute([0, 3, 1, 2])?;
    {
        let input = pixels::<f32>(input)?;
        let mut rest = pixels_mut::<f32>(&mut output)?;
        parallel(shares(shape).map(|images| {
            let len = shape.image(shape.inputs);
            let piece = Correlate {
                shape: TileShape { images: images.len(), ..shape },
                input: &input[images.start * len..images.end * len],
                filters,
                output: rest.split_off_mut(..images.len() * shape.image(shape.outputs)).unwrap_or_default(),
            };
            move || arch().dispatch(piece)
        }));
    }
    Ok(output)
}

fn shape(input: &Tensor, weight: &Tensor) -> TileShape {
    shape_of(input, weight.size()[0])
}

fn shape_of(input: &Tensor, outputs: i64) -> TileShape {
    let size = input.size();
    let [images, inputs, height, width] = [0, 1, 2, 3].map(|axis| size[axis] as usize);
    TileShape { images, height, width, inputs, outputs: outputs as usize }
}

/// The images in contiguous pieces, for as many threads.
fn shares(shape: TileShape) -> impl Iterator<Item = Range<usize>> {
    let multiplications = shape.tiles() * POINTS * POINTS * shape.inputs * shape.outputs;
    pieces(shape.images, threads(multiplications, WORTH_A_THREAD).min(shape.images.max(1)))
}

/// Groups of tiles that are gone through together.
fn groups_of_block(shape: TileShape) -> usize {
    let of_group = POINTS * POINTS * GROUP * (shape.inputs + shape.outputs) * size_of::<f32>();
    (BLOCK / of_group).max(GROUPS).min(shape.tiles().div_ceil(GROUP)).max(1)
}
