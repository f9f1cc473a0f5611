//! The convolution of a batch with filters: its output, or the gradient of its input.

use super::filter::{self, Direction};
use super::multiply;
use super::packed::{Aligned, GROUP, Packing};
use super::shape::TileShape;
use super::tile::{OutputsMut, Place};
use super::transform::{self, Between, POINTS};
use super::{groups_of_block, points};
use crate::progress;
use pulp::{Simd, WithSimd, bytemuck};

/// Registers of results that are summed up together, where there are as many.
const PANEL: usize = 2;

fn panel<S: Simd>(shape: TileShape) -> usize {
    let (_, results) = shape.registers::<S>();
    if results.is_multiple_of(PANEL) { PANEL } else { 1 }
}

/// Makes filters of a weight, for [`Correlate`].
pub(super) struct Pack<'a> {
    pub weight: &'a [f32],
    /// Of what [`Correlate`] does.
    pub shape: TileShape,
    pub direction: Direction,
}

impl WithSimd for Pack<'_> {
    type Output = Aligned;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Aligned {
        let Self { weight, shape, direction } = self;
        let mut filters = Aligned::zeros(POINTS * POINTS * shape.inputs * shape.outputs);
        let dims = match direction {
            Direction::Forward => (shape.outputs, shape.inputs),
            Direction::Backward => (shape.inputs, shape.outputs),
        };
        filter::pack(simd, weight, dims, direction, panel::<S>(shape), filters.registers_mut::<S>());
        filters
    }
}

/// Convolves the images of `input` into `output`.
pub(super) struct Correlate<'a> {
    pub shape: TileShape,
    pub input: &'a [f32],
    pub filters: &'a Aligned,
    pub output: &'a mut [f32],
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (panel::<S>(self.shape), S::REGISTER_COUNT) {
            (1, _) => self.run::<S, 8, 1>(simd),
            (_, 32..) => self.run::<S, 8, PANEL>(simd),
            _ => self.run::<S, 4, PANEL>(simd),
        }
    }
}

impl Correlate<'_> {
    #[inline(always)]
    fn run<S: Simd, const R: usize, const V: usize>(self, simd: S) {
        let Self { shape, input, filters, output } = self;
        let (inputs, outputs) = shape.registers::<S>();
        let filters = filters.registers::<S>();
        let groups = groups_of_block(shape);
        let (points, products) = (Packing { channels: inputs, groups }, Packing { channels: outputs, groups });
        let (mut point_memory, mut product_memory) =
            (Aligned::zeros(points.registers() * S::F32_LANES), Aligned::zeros(products.registers() * S::F32_LANES));
        let (point_values, product_values) = (point_memory.registers_mut::<S>(), product_memory.registers_mut::<S>());
        let mut between = Between::<S::f32s, V>::splat(simd.splat_f32s(0.0));
        for start in (0..shape.tiles()).step_by(groups * GROUP) {
            progress::beat();
            let count = (shape.tiles() - start).min(groups * GROUP);
            points::of_inputs(simd, shape, input, start..start + count, points, point_values);
            // Tiles that the last group lacks hold what was there before; nobody asks for what comes of it.
            for point in 0..POINTS * POINTS {
                let of_point = &filters[point * shape.inputs * outputs..][..shape.inputs * outputs];
                for (panel, filters) in of_point.chunks_exact(shape.inputs * V).enumerate() {
                    for group in 0..count.div_ceil(GROUP) {
                        let values = &point_values[points.channels(point, group)];
                        for first in (0..GROUP).step_by(R) {
                            let sums = multiply::over_channels::<S, R, V>(simd, values, filters, first);
                            for register in 0..V {
                                let at = products.group(point, group, panel * V + register).start + first;
                                for (product, sums) in product_values[at..at + R].iter_mut().zip(&sums) {
                                    *product = sums[register];
                                }
                            }
                        }
                    }
                }
            }
            for index in 0..count {
                let place = shape.tile(start + index);
                let len = shape.image(shape.outputs);
                let image: &mut [S::f32s] = bytemuck::cast_slice_mut(&mut output[place.image * len..][..len]);
                for channel in (0..outputs).step_by(V) {
                    let values = products.values(product_values, (index, channel));
                    let place = Place::new(shape, place, (channel, outputs));
                    transform::output(simd, &mut between, &values, &mut OutputsMut::<S> { image, place });
                }
            }
        }
    }
}
