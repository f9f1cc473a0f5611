//! Tiles in and out of images with channels last.

use super::shape::{Tile, TileShape};
use super::transform::{OUTPUTS, POINTS, Sink, Source};
use pulp::Simd;

/// A tile of an image, from a register of its channels on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    shape: TileShape,
    tile: Tile,
    channel: usize,
    channels: usize,
}

impl Place {
    /// The `channel`-th of `channels` registers.
    #[inline(always)]
    pub fn new(shape: TileShape, tile: Tile, (channel, channels): (usize, usize)) -> Self {
        Self { shape, tile, channel, channels }
    }

    /// Where the outputs of a row begin.
    #[inline(always)]
    fn output(&self, row: usize) -> usize {
        ((self.tile.top + row) * self.shape.width + self.tile.left) * self.channels + self.channel
    }
}

/// The inputs of a tile. Past the image's edges are zeros.
pub(super) struct Inputs<'a, S: Simd> {
    pub image: &'a [S::f32s],
    pub place: Place,
}

impl<S: Simd, const V: usize> Source<S, POINTS, V> for Inputs<'_, S> {
    #[inline(always)]
    fn row(&self, simd: S, row: usize) -> [[S::f32s; V]; POINTS] {
        let Place { shape, tile, channel, channels } = self.place;
        let mut values = [[simd.splat_f32s(0.0); V]; POINTS];
        let y = tile.top + row;
        if y == 0 || y > shape.height {
            return values;
        }
        let line = &self.image[(y - 1) * shape.width * channels..][..shape.width * channels];
        let (left, right) = (tile.left, tile.left + OUTPUTS);
        for (column, values) in values[1..=OUTPUTS].iter_mut().enumerate() {
            values.copy_from_slice(&line[(left + column) * channels + channel..][..V]);
        }
        if left > 0 {
            values[0].copy_from_slice(&line[(left - 1) * channels + channel..][..V]);
        }
        if right < shape.width {
            values[POINTS - 1].copy_from_slice(&line[right * channels + channel..][..V]);
        }
        values
    }
}

/// The outputs of a tile, or their gradient.
pub(super) struct Outputs<'a, S: Simd> {
    pub image: &'a [S::f32s],
    pub place: Place,
}

impl<S: Simd, const V: usize> Source<S, OUTPUTS, V> for Outputs<'_, S> {
    #[inline(always)]
    fn row(&self, simd: S, row: usize) -> [[S::f32s; V]; OUTPUTS] {
        let line = &self.image[self.place.output(row)..];
        let mut values = [[simd.splat_f32s(0.0); V]; OUTPUTS];
        for (column, values) in values.iter_mut().enumerate() {
            values.copy_from_slice(&line[column * self.place.channels..][..V]);
        }
        values
    }
}

/// The outputs of a tile, to be written.
pub(super) struct OutputsMut<'a, S: Simd> {
    pub image: &'a mut [S::f32s],
    pub place: Place,
}

impl<S: Simd, const V: usize> Sink<S, OUTPUTS, V> for OutputsMut<'_, S> {
    #[inline(always)]
    fn put(&mut self, column: usize, values: [[S::f32s; V]; OUTPUTS]) {
        for (row, values) in values.iter().enumerate() {
            let first = self.place.output(row) + column * self.place.channels;
            self.image[first..][..V].copy_from_slice(values);
        }
    }
}
