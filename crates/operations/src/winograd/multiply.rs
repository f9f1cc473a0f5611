//! Products of small blocks of matrices, with all sums in registers.

use super::packed::GROUP;
use pulp::{Simd, bytemuck};

/// The sums over all channels, for `R` tiles and the `V` registers of results of a panel.
///
/// - `first`: the first of the tiles in the group.
/// - `points`: the group's values of one point, by register of channels and then by tile.
/// - `filters`: by channel and then by register.
#[inline(always)]
pub(super) fn over_channels<S: Simd, const R: usize, const V: usize>(
    simd: S,
    points: &[S::f32s],
    filters: &[S::f32s],
    first: usize,
) -> [[S::f32s; V]; R] {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    let (groups, _) = points.as_chunks::<GROUP>();
    for (group, filters) in groups.iter().zip(filters.chunks_exact(S::F32_LANES * V)) {
        let tiles: &[f32] = bytemuck::cast_slice(group.as_slice());
        let tiles = &tiles[first * S::F32_LANES..(first + R) * S::F32_LANES];
        let (filters, _) = filters.as_chunks::<V>();
        for (channel, filters) in filters.iter().enumerate() {
            for (tile, sums) in sums.iter_mut().enumerate() {
                let value = simd.splat_f32s(tiles[tile * S::F32_LANES + channel]);
                for (sum, filter) in sums.iter_mut().zip(filters) {
                    *sum = simd.mul_add_f32s(value, *filter, *sum);
                }
            }
        }
    }
    sums
}

/// Adds the products of a group's tiles to `sums`. Multiplied are `R` channels of `inputs`, from `first` on, with `V`
/// registers of `outputs`, tile by tile.
#[inline(always)]
pub(super) fn over_tiles<S: Simd, const R: usize, const V: usize>(
    simd: S,
    inputs: &[S::f32s; GROUP],
    outputs: &[[S::f32s; GROUP]; V],
    first: usize,
    sums: &mut [[S::f32s; V]; R],
) {
    let inputs: &[f32] = bytemuck::cast_slice(inputs.as_slice());
    for tile in 0..GROUP {
        let inputs = &inputs[tile * S::F32_LANES + first..][..R];
        for (input, sums) in inputs.iter().zip(sums.iter_mut()) {
            let value = simd.splat_f32s(*input);
            for (sum, output) in sums.iter_mut().zip(outputs) {
                *sum = simd.mul_add_f32s(value, output[tile], *sum);
            }
        }
    }
}
