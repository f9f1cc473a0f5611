//! From a block of tiles to their points.

use super::packed::{Packing, registers};
use super::shape::TileShape;
use super::tile::{Inputs, Outputs, Place};
use super::transform;
use pulp::Simd;
use std::ops::Range;

/// Transforms the inputs of the tiles `block` of the images `input` into `points`, packed as `packing` has it.
#[inline(always)]
pub(super) fn of_inputs<S: Simd>(
    simd: S,
    shape: TileShape,
    input: &[f32],
    block: Range<usize>,
    packing: Packing,
    points: &mut [S::f32s],
) {
    let len = shape.image(shape.inputs);
    for (index, place) in block.map(|tile| shape.tile(tile)).enumerate() {
        let image = registers::<S>(&input[place.image * len..][..len]);
        for channel in 0..packing.channels {
            let inputs = Inputs::<S> { image, place: Place::new(shape, place, (channel, packing.channels)) };
            transform::input(simd, &inputs, &mut packing.slots(points, (index, channel)));
        }
    }
}

/// Transforms the gradient of the outputs of the tiles `block` likewise.
#[inline(always)]
pub(super) fn of_output_gradients<S: Simd>(
    simd: S,
    shape: TileShape,
    gradient: &[f32],
    block: Range<usize>,
    packing: Packing,
    points: &mut [S::f32s],
) {
    let len = shape.image(shape.outputs);
    for (index, place) in block.map(|tile| shape.tile(tile)).enumerate() {
        let image = registers::<S>(&gradient[place.image * len..][..len]);
        for channel in 0..packing.channels {
            let outputs = Outputs::<S> { image, place: Place::new(shape, place, (channel, packing.channels)) };
            transform::output_gradient(simd, &outputs, &mut packing.slots(points, (index, channel)));
        }
    }
}
