//! Pillow's resize, with the same arithmetic.
//!
//! Source: `Image.resize(size, Image.BILINEAR)` of Pillow 13, which smooths when it makes smaller (src/libImaging/
//! Resample.c): two passes, horizontal then vertical, each a weighted sum in 22-bit fixed point, rounded to a byte in
//! between. A model sees what a Python user of the same picture would see (Pillow 13 begins with the vertical pass where
//! that spares work, and differs by a level here and there then).

/// Fractional bits of a weight.
const BITS: u32 = 22;

/// The pixels that make one pixel of the result, and their weights.
struct Window {
    first: usize,
    weights: Vec<i64>,
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

/// `pixels`, interleaved RGB of `width` by `height`, as `to_width` by `to_height`.
///
/// # Panics
/// If there are not `3 * width * height` bytes.
#[must_use]
pub fn resize_rgb(pixels: &[u8], width: usize, height: usize, to_width: usize, to_height: usize) -> Vec<u8> {
    assert_eq!(pixels.len(), 3 * width * height, "interleaved RGB");
    let pass = |pixels: &[u8], windows: &[Window], lines: usize, at: &dyn Fn(usize, usize) -> usize| {
        let mut out = Vec::with_capacity(3 * windows.len() * lines);
        for line in 0..lines {
            for window in windows {
                for channel in 0..3 {
                    let sum = window
                        .weights
                        .iter()
                        .enumerate()
                        .map(|(k, weight)| weight * i64::from(pixels[3 * at(line, window.first + k) + channel]));
                    out.push(rounded(sum.sum()));
                }
            }
        }
        out
    };
    let wide = if width == to_width {
        pixels.to_vec()
    } else {
        pass(pixels, &windows(width, to_width), height, &|line, k| line * width + k)
    };
    if height == to_height {
        return wide;
    }
    // By column; then turned round.
    let columns = pass(&wide, &windows(height, to_height), to_width, &|column, k| k * to_width + column);
    let mut out = vec![0; 3 * to_width * to_height];
    for column in 0..to_width {
        for row in 0..to_height {
            let (from, to) = (3 * (column * to_height + row), 3 * (row * to_width + column));
            out[to..to + 3].copy_from_slice(&columns[from..from + 3]);
        }
    }
    out
}
