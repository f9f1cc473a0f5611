//! The passes over memory, on slices. Each is compiled for several instruction sets, and takes the best at run time.
//! The arithmetic is the same in all, and so are the bits.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the instruction set")]

use super::tiles::{LANES, Lanes, Tiles};
use crate::element::Element;
use crate::widest::widest;

/// Rows whose sums are kept in f32 before they go to f64.
const ROWS: usize = 128;

/// Two sums by column.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    pub first: Vec<[f64; LANES]>,
    pub second: Vec<[f64; LANES]>,
}

impl Sums {
    pub(super) fn zeros(tiles: Tiles) -> Self {
        let zeros = vec![[0.0; LANES]; tiles.stride / LANES];
        Self { first: zeros.clone(), second: zeros }
    }

    #[inline(always)]
    fn add(&mut self, block: usize, first: &Lanes, second: &Lanes) {
        for lane in 0..LANES {
            self.first[block][lane] += f64::from(first[lane]);
            self.second[block][lane] += f64::from(second[lane]);
        }
    }

    pub(super) fn merge(mut self, other: &Self) -> Self {
        for (sums, others) in [(&mut self.first, &other.first), (&mut self.second, &other.second)] {
            for (sum, other) in sums.as_flattened_mut().iter_mut().zip(others.as_flattened()) {
                *sum += other;
            }
        }
        self
    }
}

/// The 64 elements at `at`.
#[inline(always)]
fn lanes<E>(values: &[E], at: usize) -> &[E; LANES] {
    let Some(lanes) = values[at..].first_chunk() else { unreachable!("rows are whole") };
    lanes
}

#[inline(always)]
fn lanes_mut<E>(values: &mut [E], at: usize) -> &mut [E; LANES] {
    let Some(lanes) = values[at..].first_chunk_mut() else { unreachable!("rows are whole") };
    lanes
}

/// Calls `body(block, at)` for each 64 columns of each row.
#[inline(always)]
fn each_tile(elements: usize, stride: usize, mut body: impl FnMut(usize, usize)) {
    for row in (0..elements).step_by(stride) {
        for block in 0..stride / LANES {
            body(block, row + block * LANES);
        }
    }
}

/// Calls `body(block, rows)` for the columns of `ROWS` rows at a time, `rows` being where each of them begins.
#[inline(always)]
fn each_chunk(elements: usize, stride: usize, mut body: impl FnMut(usize, std::iter::StepBy<std::ops::Range<usize>>)) {
    for chunk in (0..elements).step_by(ROWS * stride) {
        let end = elements.min(chunk + ROWS * stride);
        for block in 0..stride / LANES {
            let first = chunk + block * LANES;
            body(block, (first..end).step_by(stride));
        }
    }
}

/// Sums of `x - pivot` and of its squares. A pivot near the mean keeps the variance from drowning in the mean's square.
pub(super) fn moments<E: Element>(x: &[E], tiles: Tiles, pivot: &[Lanes]) -> Sums {
    let mut sums = Sums::zeros(tiles);
    widest(
        #[inline(always)]
        || {
            each_chunk(
                x.len(),
                tiles.stride,
                #[inline(always)]
                |block, rows| {
                    let (mut first, mut second, pivot) = ([0.0; LANES], [0.0; LANES], pivot[block]);
                    for at in rows {
                        let x = lanes(x, at);
                        for lane in 0..LANES {
                            let shifted = x[lane].get() - pivot[lane];
                            first[lane] += shifted;
                            second[lane] += shifted * shifted;
                        }
                    }
                    sums.add(block, &first, &second);
                },
            );
        },
    );
    sums
}

/// By column: `x * scale + shift`.
#[derive(Debug)]
pub(super) struct Line {
    pub scale: Vec<Lanes>,
    pub shift: Vec<Lanes>,
}

/// `y = x * scale + shift + shortcut`, then perhaps ReLU.
pub(super) fn apply<E: Element>(x: &[E], y: &mut [E], shortcut: Option<&[E]>, tiles: Tiles, line: &Line, relu: bool) {
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    widest(
        #[inline(always)]
        || match shortcut {
            None => each_tile(
                x.len(),
                tiles.stride,
                #[inline(always)]
                |block, at| {
                    let (x, y, scale, shift) = (lanes(x, at), lanes_mut(y, at), &line.scale[block], &line.shift[block]);
                    for lane in 0..LANES {
                        y[lane] = E::put(at_least(x[lane].get() * scale[lane] + shift[lane], floor));
                    }
                },
            ),
            Some(shortcut) => each_tile(
                x.len(),
                tiles.stride,
                #[inline(always)]
                |block, at| {
                    let (x, y, scale, shift) = (lanes(x, at), lanes_mut(y, at), &line.scale[block], &line.shift[block]);
                    let shortcut = lanes(shortcut, at);
                    for lane in 0..LANES {
                        let sum = x[lane].get() * scale[lane] + shift[lane] + shortcut[lane].get();
                        y[lane] = E::put(at_least(sum, floor));
                    }
                },
            ),
        },
    );
}

/// As [`apply`], over its input.
pub(super) fn apply_in_place<E: Element>(x: &mut [E], shortcut: Option<&[E]>, tiles: Tiles, line: &Line, relu: bool) {
    let floor = if relu { 0.0 } else { f32::NEG_INFINITY };
    widest(
        #[inline(always)]
        || {
            each_tile(
                x.len(),
                tiles.stride,
                #[inline(always)]
                |block, at| {
                    let (x, scale, shift) = (lanes_mut(x, at), &line.scale[block], &line.shift[block]);
                    match shortcut {
                        None => {
                            for lane in 0..LANES {
                                x[lane] = E::put(at_least(x[lane].get() * scale[lane] + shift[lane], floor));
                            }
                        }
                        Some(shortcut) => {
                            let shortcut = lanes(shortcut, at);
                            for lane in 0..LANES {
                                let sum = x[lane].get() * scale[lane] + shift[lane] + shortcut[lane].get();
                                x[lane] = E::put(at_least(sum, floor));
                            }
                        }
                    }
                },
            );
        },
    );
}

/// `value`, or `floor` if that is more. What is no number stays so, that a diverging run is seen to diverge.
#[inline(always)]
fn at_least(value: f32, floor: f32) -> f32 {
    if value < floor { floor } else { value }
}

/// Where ReLU let a gradient through.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mask<'a, E> {
    /// There was no ReLU.
    All,
    /// Where `x * scale + shift` is positive.
    Line,
    /// Where the output is positive.
    Output(&'a [E]),
}

/// Sums of the masked gradient and of its product with `x - mean`. With `second` or an output as mask, the masked sum
/// of both gradients is written to `gradient`.
pub(super) fn reduce<E: Element>(
    gradient: &mut [E],
    second: Option<&[E]>,
    x: &[E],
    mask: Mask<'_, E>,
    tiles: Tiles,
    line: &Line,
    mean: &[Lanes],
) -> Sums {
    match (mask, second) {
        (Mask::All, None) => reduce_read(gradient, x, tiles, line, mean, all),
        (Mask::Line, None) => reduce_read(gradient, x, tiles, line, mean, by_line),
        (Mask::Output(output), None) => reduce_write(gradient, None, x, output, tiles, line, mean, by_output),
        // Any slice does for a mask that does not look at it.
        (Mask::All, second) => reduce_write(gradient, second, x, x, tiles, line, mean, all),
        (Mask::Line, second) => reduce_write(gradient, second, x, x, tiles, line, mean, by_line),
        (Mask::Output(output), second) => reduce_write(gradient, second, x, output, tiles, line, mean, by_output),
    }
}

/// A gradient that there is no mask for.
#[inline(always)]
fn all(gradient: f32, _: f32, _: f32, _: f32, _: f32) -> f32 {
    gradient
}

/// See [`Mask::Line`].
#[inline(always)]
fn by_line(gradient: f32, x: f32, scale: f32, shift: f32, _: f32) -> f32 {
    if x * scale + shift > 0.0 { gradient } else { 0.0 }
}

/// See [`Mask::Output`].
#[inline(always)]
fn by_output(gradient: f32, _: f32, _: f32, _: f32, output: f32) -> f32 {
    if output > 0.0 { gradient } else { 0.0 }
}

/// Reads two slices.
#[inline(always)]
fn reduce_read<E: Element>(
    gradient: &[E],
    x: &[E],
    tiles: Tiles,
    line: &Line,
    mean: &[Lanes],
    masked: impl Fn(f32, f32, f32, f32, f32) -> f32,
) -> Sums {
    let mut sums = Sums::zeros(tiles);
    widest(
        #[inline(always)]
        || {
            each_chunk(
                x.len(),
                tiles.stride,
                #[inline(always)]
                |block, rows| {
                    let (mut first, mut second, mean) = ([0.0; LANES], [0.0; LANES], mean[block]);
                    let (scale, shift) = (line.scale[block], line.shift[block]);
                    for at in rows {
                        let (gradient, x) = (lanes(gradient, at), lanes(x, at));
                        for lane in 0..LANES {
                            let x = x[lane].get();
                            let gradient = masked(gradient[lane].get(), x, scale[lane], shift[lane], x);
                            first[lane] += gradient;
                            second[lane] += gradient * (x - mean[lane]);
                        }
                    }
                    sums.add(block, &first, &second);
                },
            );
        },
    );
    sums
}

/// Reads three or four slices and writes one.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the one place where all of a backward pass comes together")]
fn reduce_write<E: Element>(
    gradient: &mut [E],
    other: Option<&[E]>,
    x: &[E],
    output: &[E],
    tiles: Tiles,
    line: &Line,
    mean: &[Lanes],
    masked: impl Fn(f32, f32, f32, f32, f32) -> f32,
) -> Sums {
    let mut sums = Sums::zeros(tiles);
    widest(
        #[inline(always)]
        || {
            each_chunk(
                x.len(),
                tiles.stride,
                #[inline(always)]
                |block, rows| {
                    let (mut first, mut second, mean) = ([0.0; LANES], [0.0; LANES], mean[block]);
                    let (scale, shift) = (line.scale[block], line.shift[block]);
                    for at in rows {
                        let (gradient, x, output) = (lanes_mut(gradient, at), lanes(x, at), lanes(output, at));
                        let mut sum: Lanes = gradient.map(E::get);
                        if let Some(other) = other {
                            let other = lanes(other, at);
                            for lane in 0..LANES {
                                sum[lane] += other[lane].get();
                            }
                        }
                        for lane in 0..LANES {
                            let x = x[lane].get();
                            let sum = masked(sum[lane], x, scale[lane], shift[lane], output[lane].get());
                            gradient[lane] = E::put(sum);
                            first[lane] += sum;
                            second[lane] += sum * (x - mean[lane]);
                        }
                    }
                    sums.add(block, &first, &second);
                },
            );
        },
    );
    sums
}

/// By column, what the gradient of `x` is made of: `scale * (gradient - first - (x - mean) * second)`.
#[derive(Debug)]
pub(super) struct Slope {
    pub scale: Vec<Lanes>,
    pub mean: Vec<Lanes>,
    pub first: Vec<Lanes>,
    pub second: Vec<Lanes>,
}

/// The gradient of `x`, written over it. With `masked`, `gradient` has gone through ReLU already, or there was none.
pub(super) fn descend<E: Element>(gradient: &[E], x: &mut [E], masked: bool, tiles: Tiles, line: &Line, slope: &Slope) {
    if masked {
        descend_through(gradient, x, tiles, line, slope, all);
    } else {
        descend_through(gradient, x, tiles, line, slope, by_line);
    }
}

#[inline(always)]
fn descend_through<E: Element>(
    gradient: &[E],
    x: &mut [E],
    tiles: Tiles,
    line: &Line,
    slope: &Slope,
    mask: impl Fn(f32, f32, f32, f32, f32) -> f32,
) {
    widest(
        #[inline(always)]
        || {
            each_tile(
                x.len(),
                tiles.stride,
                #[inline(always)]
                |block, at| {
                    let (gradient, x) = (lanes(gradient, at), lanes_mut(x, at));
                    let (line_scale, line_shift) = (&line.scale[block], &line.shift[block]);
                    let (scale, mean) = (&slope.scale[block], &slope.mean[block]);
                    let (first, second) = (&slope.first[block], &slope.second[block]);
                    for lane in 0..LANES {
                        let value = x[lane].get();
                        let gradient = mask(gradient[lane].get(), value, line_scale[lane], line_shift[lane], value);
                        x[lane] = E::put(scale[lane] * (gradient - first[lane] - (value - mean[lane]) * second[lane]));
                    }
                },
            );
        },
    );
}
