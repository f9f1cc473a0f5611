//! Tiles in and out of images with channels last.

use super::shape::{Tile, TileShape};
use super::transform::{OUTPUTS, POINTS, Sink, Source};
use pulp::Simd;

/// A tile of an image, in one register of its channels.
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

impl<S: Simd> Source<S, POINTS> for Inputs<'_, S> {
    #[inline(always)]
    fn row(&self, simd: S, row: usize) -> [S::f32s; POINTS] {
        let Place { shape, tile, channel, channels } = self.place;
        let mut values = [simd.splat_f32s(0.0); POINTS];
        let y = tile.top + row;
        if y == 0 || y > shape.height {
            return values;
        }
        let line = &self.image[(y - 1) * shape.width * channels..][..shape.width * channels];
        if tile.left > 0 && tile.left + OUTPUTS < shape.width {
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
        values
    }
}

/// The outputs of a tile, or their gradient.
pub(super) struct Outputs<'a, S: Simd> {
    pub image: &'a [S::f32s],
    pub place: Place,
}

impl<S: Simd> Source<S, OUTPUTS> for Outputs<'_, S> {
    #[inline(always)]
    fn row(&self, simd: S, row: usize) -> [S::f32s; OUTPUTS] {
        let channels = self.place.channels;
        let line = &self.image[self.place.output(row)..][..=(OUTPUTS - 1) * channels];
        let mut values = [simd.splat_f32s(0.0); OUTPUTS];
        for (column, value) in values.iter_mut().enumerate() {
            *value = line[column * channels];
        }
        values
    }
}

/// The outputs of a tile, to be written.
pub(super) struct OutputsMut<'a, S: Simd> {
    pub image: &'a mut [S::f32s],
    pub place: Place,
}

impl<S: Simd> Sink<S> for OutputsMut<'_, S> {
    #[inline(always)]
    fn put(&mut self, row: usize, column: usize, value: S::f32s) {
        self.image[self.place.output(row) + column * self.place.channels] = value;
    }
}
