//! From bytes to the values a model sees: channels last, normalised.

use crate::{Augmentations, DatasetSpec, ImageShape, Look};

/// The values of every byte, by channel. They are computed in f32, in torchvision's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Normaliser {
    shape: ImageShape,
    values: Vec<[f32; 256]>,
}

impl Normaliser {
    /// That of `spec`.
    #[must_use]
    pub fn new(spec: &DatasetSpec) -> Self {
        let values = spec.normalisation.mean.iter().zip(&spec.normalisation.std);
        let values = values.map(|(mean, std)| std::array::from_fn(|byte| (byte as f32 / 255.0 - mean) / std)).collect();
        Self { shape: spec.shape, values }
    }

    /// The shape of its images.
    #[must_use]
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// By channel, the values of the bytes 0 to 255. That of 0 is the padding's: torchvision pads with black pixels before it
    /// normalises.
    #[must_use]
    pub fn values(&self) -> &[[f32; 256]] {
        &self.values
    }

    /// Normalises an image of interleaved bytes (row, column, channel) into `out`, in the same order.
    ///
    /// # Panics
    /// If either is not as long as an image.
    pub fn interleaved(&self, bytes: &[u8], out: &mut [f32]) {
        assert_eq!((bytes.len(), out.len()), (self.shape.len(), self.shape.len()), "bytes and values of an image");
        let channels = self.values.len();
        for (out, bytes) in out.chunks_exact_mut(channels).zip(bytes.chunks_exact(channels)) {
            for ((out, byte), values) in out.iter_mut().zip(bytes).zip(&self.values) {
                *out = values[usize::from(*byte)];
            }
        }
    }

    /// Normalises an image of planes (channel, row, column: as a record has it) into `out`, channels last.
    ///
    /// # Panics
    /// If either is not as long as an image.
    pub fn planes(&self, planes: &[u8], out: &mut [f32]) {
        self.look(planes, &Augmentations::none().look(0, 0, 0, self.shape), out);
    }

    /// Like [`Self::planes`], with the image as `look` has it.
    ///
    /// # Panics
    /// If either is not as long as an image, or the look is of another shape.
    pub fn look(&self, planes: &[u8], look: &Look, out: &mut [f32]) {
        assert_eq!((planes.len(), out.len()), (self.shape.len(), self.shape.len()), "bytes and values of an image");
        let (channels, height, width) = (self.values.len(), self.shape.height as usize, self.shape.width as usize);
        let (inside, source) = (look.columns.inside(), look.columns.source());
        for (y, row) in out.chunks_exact_mut(width * channels).enumerate() {
            let from = look.rows.source_of(y);
            for (channel, values) in self.values.iter().enumerate() {
                let mut places = row.iter_mut().skip(channel).step_by(channels);
                let Some(from) = from else {
                    places.for_each(|place| *place = values[0]);
                    continue;
                };
                places.by_ref().take(inside.start).for_each(|place| *place = values[0]);
                let bytes = &planes[(channel * height + from) * width..][source.clone()];
                let pixels = places.by_ref().take(inside.len());
                if look.columns.is_mirrored() {
                    pixels.zip(bytes.iter().rev()).for_each(|(place, byte)| *place = values[usize::from(*byte)]);
                } else {
                    pixels.zip(bytes).for_each(|(place, byte)| *place = values[usize::from(*byte)]);
                }
                places.for_each(|place| *place = values[0]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use crate::spec::tests::small;
    use proptest::prelude::*;

    /// The definition, pixel by pixel.
    fn naive(spec: &DatasetSpec, planes: &[u8], look: &Look) -> Vec<f32> {
        let (height, width) = (spec.shape.height as usize, spec.shape.width as usize);
        let mut out = Vec::new();
        for y in 0..height {
            for x in 0..width {
                for channel in 0..spec.shape.channels as usize {
                    let from = look.rows.source_of(y).zip(look.columns.source_of(x));
                    let byte = from.map_or(0, |(y, x)| planes[(channel * height + y) * width + x]);
                    let (mean, std) = (spec.normalisation.mean[channel], spec.normalisation.std[channel]);
                    out.push((f32::from(byte) / 255.0 - mean) / std);
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn a_look_is_what_its_definition_says(
            planes in prop::collection::vec(any::<u8>(), 24), down in -3i32..=3, right in -4i32..=4,
            flips in 0..2, vertical_flips in 0..2
        ) {
            let spec = small();
            let mut look = Augmentations::none().look(0, 0, 0, spec.shape);
            look.rows.shift(down);
            look.columns.shift(right);
            (0..flips).for_each(|_| look.columns.mirror());
            (0..vertical_flips).for_each(|_| look.rows.mirror());
            let mut out = vec![f32::NAN; 24];
            Normaliser::new(&spec).look(&planes, &look, &mut out);
            prop_assert_eq!(out, naive(&spec, &planes, &look));
        }

        #[test]
        fn both_layouts_of_an_image_give_the_same_values(planes in prop::collection::vec(any::<u8>(), 24)) {
            let normaliser = Normaliser::new(&small());
            let interleaved: Vec<u8> = (0..12).flat_map(|at| [planes[at], planes[12 + at]]).collect();
            let (mut of_planes, mut out) = (vec![f32::NAN; 24], vec![f32::NAN; 24]);
            normaliser.planes(&planes, &mut of_planes);
            normaliser.interleaved(&interleaved, &mut out);
            prop_assert_eq!(of_planes, out);
        }
    }

    #[test]
    fn bytes_span_what_mean_and_deviation_say() {
        let normaliser = Normaliser::new(&small());
        let values = &normaliser.values()[0];
        assert_eq!((values[0], values[255]), (-1.0, 1.0));
        assert!(values.is_sorted());
    }
}
