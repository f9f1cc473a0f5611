//! Batches, written into buffers of the caller: nothing is allocated, so that the same buffers serve every step.

use std::ops::Range;

use crate::normalise::normalise_crop;
use crate::{Augment, Dataset, IMAGE_BYTES, normalise_chw};

/// Writes the samples `indices`, cropped and flipped as `seed` and `epoch` have it (see [`Augment::draw`]): `pixels` is
/// N x 32 x 32 x 3 (channels last), normalised to -1 to 1, and `labels` is N.
///
/// # Panics
///
/// If `pixels` or `labels` has another length than `indices` asks for, or an index is not below the data set's length.
pub fn train_batch(dataset: &Dataset, seed: u64, epoch: u32, indices: &[u32], pixels: &mut [f32], labels: &mut [i64]) {
    check(indices.len(), pixels, labels);
    for ((&index, image), label) in indices.iter().zip(pixels.chunks_exact_mut(IMAGE_BYTES)).zip(labels) {
        normalise_crop(dataset.pixels(index as usize), Augment::draw(seed, epoch, index), image);
        *label = i64::from(dataset.label(index as usize));
    }
}

/// Writes the samples of `range` as they are, in the layout of [`train_batch`].
///
/// # Panics
///
/// If `pixels` or `labels` has another length than `range` asks for, or `range` ends above the data set's length.
pub fn plain_batch(dataset: &Dataset, range: Range<usize>, pixels: &mut [f32], labels: &mut [i64]) {
    check(range.len(), pixels, labels);
    for ((index, image), label) in range.zip(pixels.chunks_exact_mut(IMAGE_BYTES)).zip(labels) {
        normalise_chw(dataset.pixels(index), image);
        *label = i64::from(dataset.label(index));
    }
}

fn check(samples: usize, pixels: &[f32], labels: &[i64]) {
    assert_eq!(pixels.len(), samples * IMAGE_BYTES, "pixels for {samples} samples");
    assert_eq!(labels.len(), samples, "labels for {samples} samples");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tests::small;

    fn images() -> [[u8; IMAGE_BYTES]; 4] {
        std::array::from_fn(|image| std::array::from_fn(|at| (image * 61 + at * 7 + at / 32) as u8))
    }

    #[test]
    fn a_training_batch_is_its_samples_each_with_its_own_crop() {
        let images = images();
        let dataset = small(&images);
        let indices = [3, 0, 3, 2];
        let (mut pixels, mut labels) = (vec![f32::NAN; 4 * IMAGE_BYTES], [-1; 4]);
        train_batch(&dataset, 11, 5, &indices, &mut pixels, &mut labels);
        assert_eq!(labels, [3, 0, 3, 2]);
        for (&index, found) in indices.iter().zip(pixels.chunks(IMAGE_BYTES)) {
            let mut expected = vec![f32::NAN; IMAGE_BYTES];
            normalise_crop(&images[index as usize], Augment::draw(11, 5, index), &mut expected);
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_plain_batch_is_its_range() {
        let images = images();
        let dataset = small(&images);
        let (mut pixels, mut labels) = (vec![f32::NAN; 2 * IMAGE_BYTES], [-1; 2]);
        plain_batch(&dataset, 1..3, &mut pixels, &mut labels);
        assert_eq!(labels, [1, 2]);
        let mut expected = vec![f32::NAN; IMAGE_BYTES];
        normalise_chw(&images[2], &mut expected);
        assert_eq!(pixels[IMAGE_BYTES..], expected);
    }

    #[test]
    #[should_panic(expected = "labels for 2 samples")]
    fn buffers_have_to_fit() {
        let dataset = small(&images());
        plain_batch(&dataset, 0..2, &mut vec![0.0; 2 * IMAGE_BYTES], &mut [0; 3]);
    }
}
