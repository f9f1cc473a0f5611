//! Scratch memory in the order in which products go through it.

use super::transform::{POINTS, Sink, Source};
use pulp::{Simd, bytemuck};
use std::ops::Range;

/// Tiles that are multiplied together.
pub(super) const GROUP: usize = 8;

/// A line of the cache. What is aligned to it is loaded into registers without crossing one.
const LINE: usize = 64;

/// f32 that begin at a line of the cache.
#[derive(Debug)]
pub(super) struct Aligned {
    memory: Vec<f32>,
    skipped: usize,
}

impl Aligned {
    pub fn zeros(len: usize) -> Self {
        let memory = vec![0.0_f32; len + LINE / size_of::<f32>()];
        let skipped = memory.as_ptr().align_offset(LINE).min(LINE / size_of::<f32>());
        Self { memory, skipped }
    }

    pub fn add(&mut self, other: &Self) {
        for (value, other) in self.memory[self.skipped..].iter_mut().zip(&other.memory[other.skipped..]) {
            *value += other;
        }
    }

    pub fn registers<S: Simd>(&self) -> &[S::f32s] {
        registers::<S>(&self.memory[self.skipped..])
    }

    pub fn registers_mut<S: Simd>(&mut self) -> &mut [S::f32s] {
        let memory = &mut self.memory[self.skipped..];
        let whole = memory.len() / S::F32_LANES * S::F32_LANES;
        bytemuck::cast_slice_mut(&mut memory[..whole])
    }
}

/// As many registers as `values` fill.
pub(super) fn registers<S: Simd>(values: &[f32]) -> &[S::f32s] {
    bytemuck::cast_slice(&values[..values.len() / S::F32_LANES * S::F32_LANES])
}

/// Values of transformed tiles: by point, group of tiles, register of channels, and tile of the group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packing {
    /// Registers of channels.
    pub channels: usize,
    /// Groups of tiles.
    pub groups: usize,
}

impl Packing {
    /// Registers of a point. Odd, for the points of a tile would share a set of the cache otherwise.
    fn point(self) -> usize {
        (self.groups * self.channels * GROUP) | 1
    }

    pub fn registers(self) -> usize {
        self.point() * POINTS * POINTS
    }

    /// The places of a tile's points, from a register of channels on.
    #[inline(always)]
    pub fn slots<V>(self, packed: &mut [V], at: (usize, usize)) -> Slots<'_, V> {
        Slots { packed: &mut packed[self.first(at)..], step: self.point() }
    }

    /// A tile's points, from a register of channels on.
    #[inline(always)]
    pub fn values<V>(self, packed: &[V], at: (usize, usize)) -> Values<'_, V> {
        Values { packed: &packed[self.first(at)..], step: self.point() }
    }

    /// Where the tile's first point is.
    #[inline(always)]
    fn first(self, (tile, channel): (usize, usize)) -> usize {
        self.group(0, tile / GROUP, channel).start + tile % GROUP
    }

    /// Where the group's tiles lie for one register of channels.
    pub fn group(self, point: usize, group: usize, channel: usize) -> Range<usize> {
        let start = point * self.point() + (group * self.channels + channel) * GROUP;
        start..start + GROUP
    }

    /// All channels of a group.
    pub fn channels(self, point: usize, group: usize) -> Range<usize> {
        let start = self.group(point, group, 0).start;
        start..start + self.channels * GROUP
    }
}

/// The points of a tile, each so many registers after the one before.
pub(super) struct Values<'a, V> {
    packed: &'a [V],
    step: usize,
}

impl<S: Simd, const V: usize> Source<S, POINTS, V> for Values<'_, S::f32s> {
    #[inline(always)]
    fn row(&self, simd: S, row: usize) -> [[S::f32s; V]; POINTS] {
        let mut values = [[simd.splat_f32s(0.0); V]; POINTS];
        for (column, values) in values.iter_mut().enumerate() {
            let of_point = &self.packed[(row * POINTS + column) * self.step..][..=(V - 1) * GROUP];
            for (register, value) in values.iter_mut().enumerate() {
                *value = of_point[register * GROUP];
            }
        }
        values
    }
}

/// Their places, to be written.
pub(super) struct Slots<'a, V> {
    packed: &'a mut [V],
    step: usize,
}

impl<S: Simd, const V: usize> Sink<S, POINTS, V> for Slots<'_, S::f32s> {
    #[inline(always)]
    fn put(&mut self, column: usize, values: [[S::f32s; V]; POINTS]) {
        for (row, values) in values.into_iter().enumerate() {
            let of_point = &mut self.packed[(row * POINTS + column) * self.step..][..=(V - 1) * GROUP];
            for (register, value) in values.into_iter().enumerate() {
                of_point[register * GROUP] = value;
            }
        }
    }
}
