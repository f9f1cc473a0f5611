//! Filters and their gradients, between the weight's order and that of the products.

use super::square::Square;
use super::transform::{self, POINTS, TAPS};
use pulp::{Simd, bytemuck};

const AREA: usize = TAPS * TAPS;

/// Which way filters go over the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From inputs to outputs.
    Forward,
    /// From the gradient of outputs to that of inputs.
    Backward,
}

/// Writes the filters of `weight`, `[outputs, inputs, 3, 3]`, to `filters`. They are ordered by point, panel of `panel`
/// registers of results, summed channel, and register of the panel.
#[inline(always)]
pub(super) fn pack<S: Simd>(
    simd: S,
    weight: &[f32],
    (outputs, inputs): (usize, usize),
    direction: Direction,
    panel: usize,
    filters: &mut [S::f32s],
) {
    let (summed, results, along_summed, along_results) = match direction {
        Direction::Forward => (inputs, outputs, AREA, inputs * AREA),
        Direction::Backward => (outputs, inputs, inputs * AREA, AREA),
    };
    let registers = results / S::F32_LANES;
    let point = summed * registers;
    for register in 0..registers {
        let (panel_index, within) = (register / panel, register % panel);
        for channel in 0..summed {
            let mut taps = Square::<S::f32s, TAPS>::splat(simd.splat_f32s(0.0));
            {
                let taps: &mut [f32] = bytemuck::cast_slice_mut(taps.flat_mut());
                for lane in 0..S::F32_LANES {
                    let start = channel * along_summed + (register * S::F32_LANES + lane) * along_results;
                    for (tap, value) in weight[start..start + AREA].iter().enumerate() {
                        let tap = if direction == Direction::Forward { tap } else { AREA - 1 - tap };
                        taps[tap * S::F32_LANES + lane] = *value;
                    }
                }
            }
            let at = (panel_index * summed + channel) * panel + within;
            let values = transform::filter(simd, &taps);
            for (index, value) in values.flat().iter().enumerate() {
                filters[index * point + at] = *value;
            }
        }
    }
}

/// Writes the gradient of the weight from that of the filters: by point, input, and register of outputs.
#[inline(always)]
pub(super) fn unpack_gradient<S: Simd>(
    simd: S,
    filters: &[S::f32s],
    (outputs, inputs): (usize, usize),
    weight: &mut [f32],
) {
    let registers = outputs / S::F32_LANES;
    let point = inputs * registers;
    for input in 0..inputs {
        for register in 0..registers {
            let mut values = Square::<S::f32s, POINTS>::splat(simd.splat_f32s(0.0));
            for (index, value) in values.flat_mut().iter_mut().enumerate() {
                *value = filters[index * point + input * registers + register];
            }
            let taps = transform::filter_gradient(simd, &values);
            let taps: &[f32] = bytemuck::cast_slice(taps.flat());
            for lane in 0..S::F32_LANES {
                let start = ((register * S::F32_LANES + lane) * inputs + input) * AREA;
                for (tap, value) in weight[start..start + AREA].iter_mut().enumerate() {
                    *value = taps[tap * S::F32_LANES + lane];
                }
            }
        }
    }
}
