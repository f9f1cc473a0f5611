//! From bytes to the values a model sees: channels last, normalised to -1 to 1.

use crate::{Augment, CHANNELS, IMAGE_BYTES, PADDING, SIDE};

/// Values of one row of an image.
const ROW: usize = SIDE * CHANNELS;

/// torchvision's `ToTensor()` and `Normalize(0.5, 0.5)` for every byte, with the same f32 operations in the same order.
const VALUES: [f32; 256] = {
    let mut values = [0.0; 256];
    let mut byte = 0;
    while byte < 256 {
        values[byte] = (byte as f32 / 255.0 - 0.5) / 0.5;
        byte += 1;
    }
    values
};

/// The value of the padding around a crop. torchvision pads with black pixels before it normalises, hence not 0.
pub const PADDING_VALUE: f32 = VALUES[0];

fn value(byte: u8) -> f32 {
    VALUES[usize::from(byte)]
}

/// Normalises an image of 32 x 32 x 3 interleaved bytes (row, column, channel) into `out`, in the same order.
///
/// # Panics
///
/// If either slice is not 3072 long.
pub fn normalise_image(rgb: &[u8], out: &mut [f32]) {
    assert_eq!((rgb.len(), out.len()), (IMAGE_BYTES, IMAGE_BYTES), "an image is 32 x 32 x 3");
    for (out, &byte) in out.iter_mut().zip(rgb) {
        *out = value(byte);
    }
}

/// Normalises an image of 3 x 32 x 32 bytes (channel, row, column: as the data set has them) into `out`, channels last.
///
/// # Panics
///
/// If `out` is not 3072 long.
pub fn normalise_chw(chw: &[u8; IMAGE_BYTES], out: &mut [f32]) {
    normalise_crop(chw, Augment::NONE, out);
}

/// Like [`normalise_chw`], with a crop of the padded image and perhaps a flip.
pub(crate) fn normalise_crop(chw: &[u8; IMAGE_BYTES], augment: Augment, out: &mut [f32]) {
    assert_eq!(out.len(), IMAGE_BYTES, "an image is 32 x 32 x 3");
    let (top, left) = (usize::from(augment.top), usize::from(augment.left));
    // The crop's columns `first..last` come from the image; the others are padding.
    let first = PADDING.saturating_sub(left);
    let last = SIDE.min(SIDE + PADDING - left);
    let source = first + left - PADDING..last + left - PADDING;
    let target = if augment.flip { SIDE - last..SIDE - first } else { first..last };

    for (y, row) in out.chunks_exact_mut(ROW).enumerate() {
        let Some(y) = (y + top).checked_sub(PADDING).filter(|&y| y < SIDE) else {
            row.fill(PADDING_VALUE);
            continue;
        };
        row[..CHANNELS * target.start].fill(PADDING_VALUE);
        row[CHANNELS * target.end..].fill(PADDING_VALUE);
        let channel = |c: usize| &chw[(c * SIDE + y) * SIDE..][source.clone()];
        let rgb = channel(0).iter().zip(channel(1)).zip(channel(2));
        let pixels = row[CHANNELS * target.start..CHANNELS * target.end].as_chunks_mut::<CHANNELS>().0.iter_mut();
        if augment.flip {
            interleave(pixels.rev(), rgb);
        } else {
            interleave(pixels, rgb);
        }
    }
}

fn interleave<'a>(
    pixels: impl Iterator<Item = &'a mut [f32; CHANNELS]>,
    rgb: impl Iterator<Item = ((&'a u8, &'a u8), &'a u8)>,
) {
    for (pixel, ((&r, &g), &b)) in pixels.zip(rgb) {
        *pixel = [value(r), value(g), value(b)];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, pixel by pixel: pad, crop, flip, then normalise.
    fn naive(chw: &[u8; IMAGE_BYTES], augment: Augment) -> Vec<f32> {
        let mut out = Vec::new();
        for y in 0..SIDE {
            for x in 0..SIDE {
                let x = if augment.flip { SIDE - 1 - x } else { x };
                let (py, px) = (y + usize::from(augment.top), x + usize::from(augment.left));
                let inside = (PADDING..PADDING + SIDE).contains(&py) && (PADDING..PADDING + SIDE).contains(&px);
                for c in 0..CHANNELS {
                    let byte = if inside { chw[(c * SIDE + py - PADDING) * SIDE + px - PADDING] } else { 0 };
                    out.push((f32::from(byte) / 255.0 - 0.5) / 0.5);
                }
            }
        }
        out
    }

    fn image() -> impl Strategy<Value = [u8; IMAGE_BYTES]> {
        prop::collection::vec(any::<u8>(), IMAGE_BYTES)
            .prop_map(|bytes| bytes.try_into().expect("as long as asked for"))
    }

    proptest! {
        #[test]
        fn a_crop_is_what_its_definition_says(image in image(), top in 0u8..=8, left in 0u8..=8, flip: bool) {
            let augment = Augment { top, left, flip };
            let mut out = vec![f32::NAN; IMAGE_BYTES];
            normalise_crop(&image, augment, &mut out);
            prop_assert_eq!(out, naive(&image, augment));
        }

        #[test]
        fn both_layouts_of_an_image_give_the_same_values(image in image()) {
            let interleaved: Vec<u8> =
                (0..SIDE * SIDE).flat_map(|at| [0, 1, 2].map(|c| image[c * SIDE * SIDE + at])).collect();
            let mut planar = vec![f32::NAN; IMAGE_BYTES];
            let mut out = vec![f32::NAN; IMAGE_BYTES];
            normalise_chw(&image, &mut planar);
            normalise_image(&interleaved, &mut out);
            prop_assert_eq!(planar, out);
        }
    }

    #[test]
    fn bytes_span_minus_one_to_one() {
        assert_eq!((value(0), value(255), PADDING_VALUE), (-1.0, 1.0, -1.0));
        assert!(VALUES.is_sorted());
    }
}
