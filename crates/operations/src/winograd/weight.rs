//! The gradient of the weight.

use super::packed::{Aligned, GROUP, Packing};
use super::shape::TileShape;
use super::transform::{POINTS, Sink};
use super::{filter, groups_of_block, multiply, points};
use crate::progress;
use pulp::{Simd, WithSimd};

/// The gradient of the filters from images and the gradient of their outputs, to be added up over all images.
pub(super) struct FilterGradient<'a> {
    pub shape: TileShape,
    pub input: &'a [f32],
    pub gradient: &'a [f32],
}

impl WithSimd for FilterGradient<'_> {
    type Output = Aligned;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Aligned {
        let (_, outputs) = self.shape.registers::<S>();
        match (outputs % 2, S::REGISTER_COUNT, S::F32_LANES) {
            (0, 32.., 8..) => self.run::<S, 8, 2>(simd),
            (0, ..) => self.run::<S, 4, 2>(simd),
            (_, _, 8..) => self.run::<S, 8, 1>(simd),
            _ => self.run::<S, 4, 1>(simd),
        }
    }
}

impl FilterGradient<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize, const V: usize>(self, simd: S) -> Aligned {
        let Self { shape, input, gradient } = self;
        let (inputs, outputs) = shape.registers::<S>();
        let groups = groups_of_block(shape);
        let (points, slopes) = (Packing { channels: inputs, groups }, Packing { channels: outputs, groups });
        let (mut point_memory, mut slope_memory) =
            (Aligned::zeros(points.registers() * S::F32_LANES), Aligned::zeros(slopes.registers() * S::F32_LANES));
        let (point_values, slope_values) = (point_memory.registers_mut::<S>(), slope_memory.registers_mut::<S>());
        let mut filters = Aligned::zeros(POINTS * POINTS * shape.inputs * shape.outputs);
        let filter_values = filters.registers_mut::<S>();
        for start in (0..shape.tiles()).step_by(groups * GROUP) {
            progress::beat();
            let count = (shape.tiles() - start).min(groups * GROUP);
            let block = start..start + count;
            points::of_inputs(simd, shape, input, block.clone(), points, point_values);
            points::of_output_gradients(simd, shape, gradient, block, slopes, slope_values);
            let used = count.div_ceil(GROUP);
            // Tiles that the last group lacks add nothing.
            for index in count..used * GROUP {
                for channel in 0..outputs {
                    clear(simd, &mut slopes.slots(slope_values, (index, channel)));
                }
            }
            for point in 0..POINTS * POINTS {
                for register in 0..inputs {
                    for first in (0..S::F32_LANES).step_by(R) {
                        for panel in (0..outputs).step_by(V) {
                            let mut sums = [[simd.splat_f32s(0.0); V]; R];
                            for group in 0..used {
                                let values = &point_values[points.group(point, group, register)];
                                let (values, _) = values.as_chunks::<GROUP>();
                                let at = slopes.group(point, group, panel).start;
                                let (gradients, _) = slope_values[at..at + V * GROUP].as_chunks::<GROUP>();
                                let (gradients, _) = gradients.as_chunks::<V>();
                                multiply::over_tiles::<S, R, V>(simd, &values[0], &gradients[0], first, &mut sums);
                            }
                            for (channel, sums) in sums.iter().enumerate() {
                                let input = register * S::F32_LANES + first + channel;
                                let at = (point * shape.inputs + input) * outputs + panel;
                                for (filter, sum) in filter_values[at..at + V].iter_mut().zip(sums) {
                                    *filter = simd.add_f32s(*filter, *sum);
                                }
                            }
                        }
                    }
                }
            }
        }
        filters
    }
}

/// Zeros at all points.
#[inline(always)]
fn clear<S: Simd>(simd: S, points: &mut impl Sink<S, POINTS, 1>) {
    for column in 0..POINTS {
        points.put(column, [[simd.splat_f32s(0.0)]; POINTS]);
    }
}

/// Writes the gradient of the weight from that of the filters.
pub(super) struct Unpack<'a> {
    pub shape: TileShape,
    pub filters: &'a Aligned,
    pub weight: &'a mut [f32],
}

impl WithSimd for Unpack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let dims = (self.shape.outputs, self.shape.inputs);
        filter::unpack_gradient(simd, self.filters.registers::<S>(), dims, self.weight);
    }
}
