//! Pillow's resize, with the same arithmetic.
//!
//! Source: `Image.resize(size, Image.BILINEAR)` of Pillow 13 (src/libImaging/Resample.c), which smooths when it makes
//! smaller. It makes two passes, horizontal then vertical. Each is a weighted sum in 22-bit fixed point, rounded to a
//! byte.
//!
//! So a model sees what a Python user of the same picture would see. There is one exception: Pillow 13 begins with the
//! vertical pass where that spares work. It then differs by a level here and there.

use crate::Size;

/// Fractional bits of a weight.
const BITS: u32 = 22;

/// Bytes of a pixel.
const CHANNELS: u64 = 3;
/// Bytes of weights for a pixel that is looked at: it is in two windows.
const WEIGHTS: u64 = 2 * size_of::<i64>() as u64;

/// The pixels that make one pixel of the result, and their weights.
struct Window {
    first: usize,
    weights: Vec<i64>,
}

impl Window {
    /// The weighted sum of the pixels, which `at` gives.
    fn sum(&self, at: impl Fn(usize) -> u8) -> u8 {
        let pixels = self.weights.iter().enumerate();
        rounded(pixels.map(|(k, weight)| weight * i64::from(at(self.first + k))).sum())
    }
}

fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    (0..to)
        .map(|x| {
            let center = (x as f64 + 0.5) * scale;
            // Truncated, as C does.
            let first = ((center - support + 0.5) as i64).max(0) as usize;
            let end = ((center + support + 0.5) as i64).min(from as i64) as usize;
            let weights: Vec<f64> =
                (first..end).map(|k| (1.0 - ((k as f64 - center + 0.5) / support).abs()).max(0.0)).collect();
            let sum: f64 = weights.iter().sum();
            let fixed = |weight: f64| (weight / sum * f64::from(1 << BITS) + 0.5).floor() as i64;
            Window { first, weights: weights.into_iter().map(fixed).collect() }
        })
        .collect()
}

fn rounded(sum: i64) -> u8 {
    ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}

/// Makes a picture of another size, from its rows one after the other. Of each row only its resized form is kept.
pub(crate) struct Resizer {
    width: usize,
    height: usize,
    to_width: usize,
    to_height: usize,
    /// The windows of the horizontal pass; empty if the width stays the same.
    windows: Vec<Window>,
    /// The rows so far, in the new width.
    rows: Vec<u8>,
}

impl Resizer {
    /// What it takes at its peak, in bytes: rows in the new width, the result, and the windows of both passes.
    pub(crate) fn memory([width, height]: [u64; 2], to: Size) -> u64 {
        let (to_width, to_height) = (to.width as u64, to.height as u64);
        let windows = |from: u64, to: u64| to * size_of::<Window>() as u64 + WEIGHTS * (from.max(to) + to);
        let result = if height == to_height { 0 } else { CHANNELS * to_width * to_height };
        CHANNELS * to_width * height + result + windows(width, to_width) + windows(height, to_height)
    }

    /// Resizes from `width` by `height` to `to_width` by `to_height`.
    pub(crate) fn new(width: usize, height: usize, to_width: usize, to_height: usize) -> Self {
        let windows = if width == to_width { Vec::new() } else { windows(width, to_width) };
        Self { width, height, to_width, to_height, windows, rows: Vec::with_capacity(3 * to_width * height) }
    }

    /// Takes the next row, interleaved RGB.
    ///
    /// # Panics
    /// If there are not `3 * width` bytes.
    pub(crate) fn push(&mut self, row: &[u8]) {
        assert_eq!(row.len(), 3 * self.width, "interleaved RGB");
        if self.windows.is_empty() {
            self.rows.extend_from_slice(row);
            return;
        }
        for window in &self.windows {
            for channel in 0..3 {
                self.rows.push(window.sum(|k| row[3 * k + channel]));
            }
        }
    }

    /// Does the vertical pass, and returns the picture as interleaved RGB.
    ///
    /// # Panics
    /// If there were not `height` rows.
    pub(crate) fn finish(self) -> Vec<u8> {
        let Self { height, to_width, to_height, rows, .. } = self;
        assert_eq!(rows.len(), 3 * to_width * height, "all rows");
        if height == to_height {
            return rows;
        }
        let mut out = Vec::with_capacity(3 * to_width * to_height);
        for window in windows(height, to_height) {
            for x in 0..3 * to_width {
                out.push(window.sum(|k| rows[3 * to_width * k + x]));
            }
        }
        out
    }
}

/// Resizes `pixels`, interleaved RGB of `width` by `height`, to `to_width` by `to_height`.
///
/// # Panics
/// If there are not `3 * width * height` bytes.
#[must_use]
pub fn resize_rgb(pixels: &[u8], width: usize, height: usize, to_width: usize, to_height: usize) -> Vec<u8> {
    assert_eq!(pixels.len(), 3 * width * height, "interleaved RGB");
    let mut resizer = Resizer::new(width, height, to_width, to_height);
    for row in pixels.chunks_exact(3 * width) {
        resizer.push(row);
    }
    resizer.finish()
}
