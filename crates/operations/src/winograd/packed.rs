//! Scratch memory in the order in which products go through it.

use super::transform::POINTS;
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

    /// Where a tile's points lie for one register of channels: the first and then every so many registers.
    pub fn points(self, tile: usize, channel: usize) -> (usize, usize) {
        (self.group(0, tile / GROUP, channel).start + tile % GROUP, self.point())
    }

    /// Writes the points of a tile for one register of channels.
    #[inline(always)]
    pub fn put<S: Simd>(self, packed: &mut [S::f32s], (tile, channel): (usize, usize), points: &[S::f32s]) {
        let (start, step) = self.points(tile, channel);
        for (slot, value) in packed[start..].iter_mut().step_by(step).zip(points) {
            *slot = *value;
        }
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
