//! Batches, written into the caller's buffers. Nothing is allocated, so the same buffers serve every step.

use std::ops::Range;

use crate::{Augmentations, Dataset, Normaliser};

/// Makes batches of a data set: its normalisation, and the augmentations of training samples.
#[derive(Debug, Clone)]
pub struct Batches {
    normaliser: Normaliser,
    augmentations: Augmentations,
}

impl Batches {
    /// Batches of `dataset`, whose training samples get `augmentations`.
    #[must_use]
    pub fn new(dataset: &Dataset, augmentations: Augmentations) -> Self {
        Self { normaliser: Normaliser::new(dataset.spec()), augmentations }
    }

    /// Writes the samples `indices` as they look in `epoch` of a run with `seed`. The `n` images go to `pixels`,
    /// normalised and with channels last. Their classes go to `labels`.
    ///
    /// # Panics
    /// If `pixels` or `labels` has another length than `indices` asks for, or an index is not below the data set's length.
    pub fn training(
        &self,
        dataset: &Dataset,
        (seed, epoch): (u64, u32),
        indices: &[u32],
        pixels: &mut [f32],
        labels: &mut [i64],
    ) {
        self.check(indices.len(), pixels, labels);
        let shape = self.normaliser.shape();
        for ((&index, image), label) in indices.iter().zip(pixels.chunks_exact_mut(shape.len())).zip(labels) {
            let look = self.augmentations.look(seed, epoch, index, shape);
            self.normaliser.look(dataset.pixels(index as usize), &look, image);
            *label = i64::from(dataset.label(index as usize));
        }
    }

    /// Writes the samples of `range` without augmentations, in the layout of [`Self::training`].
    ///
    /// # Panics
    /// If `pixels` or `labels` has another length than `range` asks for, or `range` ends above the data set's length.
    pub fn plain(&self, dataset: &Dataset, range: Range<usize>, pixels: &mut [f32], labels: &mut [i64]) {
        self.check(range.len(), pixels, labels);
        let images = pixels.chunks_exact_mut(self.normaliser.shape().len());
        for ((index, image), label) in range.zip(images).zip(labels) {
            self.normaliser.planes(dataset.pixels(index), image);
            *label = i64::from(dataset.label(index));
        }
    }

    fn check(&self, samples: usize, pixels: &[f32], labels: &[i64]) {
        assert_eq!(pixels.len(), samples * self.normaliser.shape().len(), "pixels for {samples} samples");
        assert_eq!(labels.len(), samples, "labels for {samples} samples");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::tests::{IMAGE, small};

    fn images() -> [[u8; IMAGE]; 4] {
        std::array::from_fn(|image| std::array::from_fn(|at| (image * 61 + at * 7 + at / 4) as u8))
    }

    #[test]
    fn a_training_batch_is_its_samples_each_with_its_own_look() {
        let images = images();
        let dataset = small(&images);
        let augmentations = Augmentations::default();
        let batches = Batches::new(&dataset, augmentations.clone());
        let indices = [3, 0, 3, 2];
        let (mut pixels, mut labels) = (vec![f32::NAN; 4 * IMAGE], [-1; 4]);
        batches.training(&dataset, (11, 5), &indices, &mut pixels, &mut labels);
        assert_eq!(labels, [0, 0, 0, 2]);
        for (&index, found) in indices.iter().zip(pixels.chunks(IMAGE)) {
            let mut expected = vec![f32::NAN; IMAGE];
            let look = augmentations.look(11, 5, index, dataset.spec().shape);
            Normaliser::new(dataset.spec()).look(&images[index as usize], &look, &mut expected);
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_plain_batch_is_its_range() {
        let images = images();
        let dataset = small(&images);
        let (mut pixels, mut labels) = (vec![f32::NAN; 2 * IMAGE], [-1; 2]);
        Batches::new(&dataset, Augmentations::none()).plain(&dataset, 1..3, &mut pixels, &mut labels);
        assert_eq!(labels, [1, 2]);
        let mut expected = vec![f32::NAN; IMAGE];
        Normaliser::new(dataset.spec()).planes(&images[2], &mut expected);
        assert_eq!(pixels[IMAGE..], expected);
    }

    #[test]
    #[should_panic(expected = "labels for 2 samples")]
    fn buffers_have_to_fit() {
        let dataset = small(&images());
        let batches = Batches::new(&dataset, Augmentations::none());
        batches.plain(&dataset, 0..2, &mut [0.0; 2 * IMAGE], &mut [0; 3]);
    }
}
