//! Tiles in and out of images with channels last.

use super::shape::{Shape, Tile};
use super::square::Square;
use super::transform::{OUTPUTS, POINTS};
use pulp::Simd;

/// The inputs of a tile in one register of `channels`; `image` is that of the tile. Past its edges are zeros.
#[inline(always)]
pub(super) fn inputs<S: Simd>(
    simd: S,
    image: &[S::f32s],
    shape: Shape,
    tile: Tile,
    (channel, channels): (usize, usize),
) -> Square<S::f32s, POINTS> {
    let mut values = Square::splat(simd.splat_f32s(0.0));
    let inside = tile.left > 0 && tile.left + OUTPUTS < shape.width;
    for (row, values) in values.0.iter_mut().enumerate() {
        let y = tile.top + row;
        if y == 0 || y > shape.height {
            continue;
        }
        let line = &image[(y - 1) * shape.width * channels..][..shape.width * channels];
        if inside {
            let line = &line[(tile.left - 1) * channels + channel..][..=(POINTS - 1) * channels];
            for (column, value) in values.iter_mut().enumerate() {
                *value = line[column * channels];
            }
        } else {
            for (column, value) in values.iter_mut().enumerate() {
                let x = tile.left + column;
                if x > 0 && x <= shape.width {
                    *value = line[(x - 1) * channels + channel];
                }
            }
        }
    }
    values
}

/// The outputs of a tile in one register of `channels`.
#[inline(always)]
pub(super) fn outputs<S: Simd>(
    simd: S,
    image: &[S::f32s],
    shape: Shape,
    tile: Tile,
    (channel, channels): (usize, usize),
) -> Square<S::f32s, OUTPUTS> {
    let mut values = Square::splat(simd.splat_f32s(0.0));
    for (row, values) in values.0.iter_mut().enumerate() {
        let start = ((tile.top + row) * shape.width + tile.left) * channels + channel;
        let line = &image[start..][..=(OUTPUTS - 1) * channels];
        for (column, value) in values.iter_mut().enumerate() {
            *value = line[column * channels];
        }
    }
    values
}

/// Writes the outputs of a tile in one register of `channels`.
#[inline(always)]
pub(super) fn put<S: Simd>(
    image: &mut [S::f32s],
    shape: Shape,
    tile: Tile,
    (channel, channels): (usize, usize),
    values: &Square<S::f32s, OUTPUTS>,
) {
    for (row, values) in values.0.iter().enumerate() {
        let start = ((tile.top + row) * shape.width + tile.left) * channels + channel;
        let line = &mut image[start..][..=(OUTPUTS - 1) * channels];
        for (column, value) in values.iter().enumerate() {
            line[column * channels] = *value;
        }
    }
}
