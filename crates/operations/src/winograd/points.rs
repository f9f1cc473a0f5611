//! From a block of tiles to their points.

use super::packed::{Packing, registers};
use super::shape::TileShape;
use super::tile::{Inputs, Outputs, Place};
use super::transform::{self, Between};
use pulp::Simd;
use std::ops::Range;

/// Registers of channels that go through a map together, where there are as many.
const PANEL: usize = 2;

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
    if packing.channels.is_multiple_of(PANEL) {
        of_input_panels::<S, PANEL>(simd, shape, input, block, packing, points);
    } else {
        of_input_panels::<S, 1>(simd, shape, input, block, packing, points);
    }
}

#[inline(always)]
fn of_input_panels<S: Simd, const V: usize>(
    simd: S,
    shape: TileShape,
    input: &[f32],
    block: Range<usize>,
    packing: Packing,
    points: &mut [S::f32s],
) {
    let len = shape.image(shape.inputs);
    let mut between = Between::<S::f32s, V>::splat(simd.splat_f32s(0.0));
    for (index, place) in block.map(|tile| shape.tile(tile)).enumerate() {
        let image = registers::<S>(&input[place.image * len..][..len]);
        for channel in (0..packing.channels).step_by(V) {
            let inputs = Inputs::<S> { image, place: Place::new(shape, place, (channel, packing.channels)) };
            transform::input(simd, &mut between, &inputs, &mut packing.slots(points, (index, channel)));
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
    if packing.channels.is_multiple_of(PANEL) {
        of_gradient_panels::<S, PANEL>(simd, shape, gradient, block, packing, points);
    } else {
        of_gradient_panels::<S, 1>(simd, shape, gradient, block, packing, points);
    }
}

#[inline(always)]
fn of_gradient_panels<S: Simd, const V: usize>(
    simd: S,
    shape: TileShape,
    gradient: &[f32],
    block: Range<usize>,
    packing: Packing,
    points: &mut [S::f32s],
) {
    let len = shape.image(shape.outputs);
    let mut between = Between::<S::f32s, V>::splat(simd.splat_f32s(0.0));
    for (index, place) in block.map(|tile| shape.tile(tile)).enumerate() {
        let image = registers::<S>(&gradient[place.image * len..][..len]);
        for channel in (0..packing.channels).step_by(V) {
            let outputs = Outputs::<S> { image, place: Place::new(shape, place, (channel, packing.channels)) };
            transform::output_gradient(simd, &mut between, &outputs, &mut packing.slots(points, (index, channel)));
        }
    }
}
