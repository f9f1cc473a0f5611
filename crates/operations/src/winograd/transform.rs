//! The linear maps of F(4x4, 3x3) by the points 0, 1, -1, 2, -2 and infinity. They go along one axis and along both,
//! for as many channels at once as a register holds.
//!
//! In the notation of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (2015, section 4.3):
//! `Y = A^T [(G g G^T) * (B^T d B)] A`. The maps of the gradients are the transposed ones.

use super::square::Square;
use pulp::Simd;

/// Side of the outputs of a tile.
pub(super) const OUTPUTS: usize = 4;
/// Side of the inputs of a tile, and of what is multiplied.
pub(super) const POINTS: usize = 6;
/// Side of a filter.
pub(super) const TAPS: usize = 3;

/// Where a map reads: squares of side `N`, of `V` registers of channels. It reads every row once, so that no copy is made
/// of what lies elsewhere.
pub(super) trait Source<S: Simd, const N: usize, const V: usize> {
    fn row(&self, simd: S, row: usize) -> [[S::f32s; V]; N];
}

/// Where a map writes. It writes every column once.
pub(super) trait Sink<S: Simd, const M: usize, const V: usize> {
    fn put(&mut self, column: usize, values: [[S::f32s; V]; M]);
}

impl<S: Simd, const N: usize> Source<S, N, 1> for Square<S::f32s, N> {
    #[inline(always)]
    fn row(&self, _: S, row: usize) -> [[S::f32s; 1]; N] {
        self.0[row].map(|value| [value])
    }
}

impl<S: Simd, const M: usize> Sink<S, M, 1> for Square<S::f32s, M> {
    #[inline(always)]
    fn put(&mut self, column: usize, values: [[S::f32s; 1]; M]) {
        for (row, [value]) in self.0.iter_mut().zip(values) {
            row[column] = value;
        }
    }
}

/// Memory between the two axes. It is kept from tile to tile, since to clear it takes longer than a map.
pub(super) struct Between<V, const P: usize>([Row<V, P>; POINTS]);

impl<V: Copy, const P: usize> Between<V, P> {
    #[inline(always)]
    pub fn splat(value: V) -> Self {
        Self([Row([[value; P]; POINTS]); POINTS])
    }
}

/// A row. Aligned as [`Square`] is.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Row<V, const P: usize>([[V; P]; POINTS]);

/// `B^T d B`: a tile of inputs.
#[inline(always)]
pub(super) fn input<S: Simd, const V: usize>(
    simd: S,
    between: &mut Between<S::f32s, V>,
    d: &impl Source<S, POINTS, V>,
    points: &mut impl Sink<S, POINTS, V>,
) {
    both::<S, InputMap, _, _, V>(simd, between, d, points);
}

/// `A^T m A`: the outputs of a tile.
#[inline(always)]
pub(super) fn output<S: Simd, const V: usize>(
    simd: S,
    between: &mut Between<S::f32s, V>,
    m: &impl Source<S, POINTS, V>,
    outputs: &mut impl Sink<S, OUTPUTS, V>,
) {
    both::<S, Output, _, _, V>(simd, between, m, outputs);
}

/// `A y A^T`: the gradient of a tile's outputs.
#[inline(always)]
pub(super) fn output_gradient<S: Simd, const V: usize>(
    simd: S,
    between: &mut Between<S::f32s, V>,
    y: &impl Source<S, OUTPUTS, V>,
    points: &mut impl Sink<S, POINTS, V>,
) {
    both::<S, OutputGradient, _, _, V>(simd, between, y, points);
}

/// `G g G^T`: a filter.
#[inline(always)]
pub(super) fn filter<S: Simd>(simd: S, g: &Square<S::f32s, TAPS>) -> Square<S::f32s, POINTS> {
    let mut points = Square::splat(simd.splat_f32s(0.0));
    both::<S, Filter, TAPS, POINTS, 1>(simd, &mut Between::splat(simd.splat_f32s(0.0)), g, &mut points);
    points
}

/// `G^T u G`: the gradient of a filter.
#[inline(always)]
pub(super) fn filter_gradient<S: Simd>(simd: S, u: &Square<S::f32s, POINTS>) -> Square<S::f32s, TAPS> {
    let mut taps = Square::splat(simd.splat_f32s(0.0));
    both::<S, FilterGradient, POINTS, TAPS, 1>(simd, &mut Between::splat(simd.splat_f32s(0.0)), u, &mut taps);
    taps
}

/// A map along one axis. It is a trait, as functions that are passed as values are not inlined, and so not compiled for
/// the instruction set.
trait Axis<S: Simd, const N: usize, const M: usize> {
    fn along(simd: S, values: [S::f32s; N]) -> [S::f32s; M];
}

/// The map on the rows, then on the columns.
#[inline(always)]
fn both<S: Simd, A: Axis<S, N, M>, const N: usize, const M: usize, const V: usize>(
    simd: S,
    between: &mut Between<S::f32s, V>,
    source: &impl Source<S, N, V>,
    sink: &mut impl Sink<S, M, V>,
) {
    let zero = simd.splat_f32s(0.0);
    for (index, row) in between.0[..N].iter_mut().enumerate() {
        let values = source.row(simd, index);
        for register in 0..V {
            let mut of_register = [zero; N];
            for (value, values) in of_register.iter_mut().zip(&values) {
                *value = values[register];
            }
            for (place, value) in row.0.iter_mut().zip(A::along(simd, of_register)) {
                place[register] = value;
            }
        }
    }
    for column in 0..M {
        let mut mapped = [[zero; V]; M];
        for register in 0..V {
            let mut values = [zero; N];
            for (value, row) in values.iter_mut().zip(&between.0) {
                *value = row.0[column][register];
            }
            for (place, value) in mapped.iter_mut().zip(A::along(simd, values)) {
                place[register] = value;
            }
        }
        sink.put(column, mapped);
    }
}

#[inline(always)]
fn scaled<S: Simd>(simd: S, factor: f32, value: S::f32s) -> S::f32s {
    simd.mul_f32s(simd.splat_f32s(factor), value)
}

/// `factor * value + sum`.
#[inline(always)]
fn times<S: Simd>(simd: S, factor: f32, value: S::f32s, sum: S::f32s) -> S::f32s {
    simd.mul_add_f32s(simd.splat_f32s(factor), value, sum)
}

struct InputMap;

impl<S: Simd> Axis<S, 6, 6> for InputMap {
    #[inline(always)]
    fn along(simd: S, [d0, d1, d2, d3, d4, d5]: [S::f32s; 6]) -> [S::f32s; 6] {
        let (even, odd) = (times(simd, -4.0, d2, d4), times(simd, -4.0, d1, d3));
        let (even2, odd2) = (simd.sub_f32s(d4, d2), simd.sub_f32s(d3, d1));
        [
            times(simd, 4.0, d0, times(simd, -5.0, d2, d4)),
            simd.add_f32s(even, odd),
            simd.sub_f32s(even, odd),
            times(simd, 2.0, odd2, even2),
            times(simd, -2.0, odd2, even2),
            times(simd, 4.0, d1, times(simd, -5.0, d3, d5)),
        ]
    }
}

struct Output;

impl<S: Simd> Axis<S, 6, 4> for Output {
    #[inline(always)]
    fn along(simd: S, [m0, m1, m2, m3, m4, m5]: [S::f32s; 6]) -> [S::f32s; 4] {
        let (sum, difference) = (simd.add_f32s(m1, m2), simd.sub_f32s(m1, m2));
        let (sum2, difference2) = (simd.add_f32s(m3, m4), simd.sub_f32s(m3, m4));
        [
            simd.add_f32s(m0, simd.add_f32s(sum, sum2)),
            times(simd, 2.0, difference2, difference),
            times(simd, 4.0, sum2, sum),
            times(simd, 8.0, difference2, simd.add_f32s(difference, m5)),
        ]
    }
}

struct OutputGradient;

impl<S: Simd> Axis<S, 4, 6> for OutputGradient {
    #[inline(always)]
    fn along(simd: S, [y0, y1, y2, y3]: [S::f32s; 4]) -> [S::f32s; 6] {
        let (even, odd) = (simd.add_f32s(y0, y2), simd.add_f32s(y1, y3));
        let (even2, odd2) = (times(simd, 4.0, y2, y0), times(simd, 4.0, y3, y1));
        [
            y0,
            simd.add_f32s(even, odd),
            simd.sub_f32s(even, odd),
            times(simd, 2.0, odd2, even2),
            times(simd, -2.0, odd2, even2),
            y3,
        ]
    }
}

struct Filter;

impl<S: Simd> Axis<S, 3, 6> for Filter {
    #[inline(always)]
    fn along(simd: S, [g0, g1, g2]: [S::f32s; 3]) -> [S::f32s; 6] {
        let (even, odd) = (scaled(simd, -1.0 / 6.0, simd.add_f32s(g0, g2)), scaled(simd, -1.0 / 6.0, g1));
        let (even2, odd2) = (times(simd, 1.0 / 6.0, g2, scaled(simd, 1.0 / 24.0, g0)), scaled(simd, 1.0 / 12.0, g1));
        [
            scaled(simd, 0.25, g0),
            simd.add_f32s(even, odd),
            simd.sub_f32s(even, odd),
            simd.add_f32s(even2, odd2),
            simd.sub_f32s(even2, odd2),
            g2,
        ]
    }
}

struct FilterGradient;

impl<S: Simd> Axis<S, 6, 3> for FilterGradient {
    #[inline(always)]
    fn along(simd: S, [u0, u1, u2, u3, u4, u5]: [S::f32s; 6]) -> [S::f32s; 3] {
        let (sum, difference) = (simd.add_f32s(u1, u2), simd.sub_f32s(u1, u2));
        let (sum2, difference2) = (simd.add_f32s(u3, u4), simd.sub_f32s(u3, u4));
        [
            times(simd, 0.25, u0, times(simd, -1.0 / 6.0, sum, scaled(simd, 1.0 / 24.0, sum2))),
            times(simd, -1.0 / 6.0, difference, scaled(simd, 1.0 / 12.0, difference2)),
            times(simd, -1.0 / 6.0, sum, times(simd, 1.0 / 6.0, sum2, u5)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{array::uniform6, prelude::*};
    use pulp::Scalar;

    fn dot<const N: usize>(a: [f32; N], b: [f32; N]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    fn close(found: f32, expected: f32) -> bool {
        (found - expected).abs() < 1e-3
    }

    proptest! {
        #[test]
        fn along_an_axis_products_of_points_are_a_correlation(d in uniform6(-4.0_f32..4.0), g in [-4.0_f32..4.0, -4.0..4.0, -4.0..4.0]) {
            let (points, weights) = (InputMap::along(Scalar, d), Filter::along(Scalar, g));
            let outputs = Output::along(Scalar, std::array::from_fn(|point| points[point] * weights[point]));
            for (at, output) in outputs.into_iter().enumerate() {
                prop_assert!(close(output, d[at] * g[0] + d[at + 1] * g[1] + d[at + 2] * g[2]), "{outputs:?}");
            }
        }

        #[test]
        fn maps_of_gradients_are_the_transposed_ones(
            m in uniform6(-4.0_f32..4.0),
            y in [-4.0_f32..4.0, -4.0..4.0, -4.0..4.0, -4.0..4.0],
            g in [-4.0_f32..4.0, -4.0..4.0, -4.0..4.0],
        ) {
            prop_assert!(close(dot(Output::along(Scalar, m), y), dot(m, OutputGradient::along(Scalar, y))));
            prop_assert!(close(dot(Filter::along(Scalar, g), m), dot(g, FilterGradient::along(Scalar, m))));
        }
    }
}
