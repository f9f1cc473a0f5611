//! Crop and flip of one training sample.

use plan::random::{Purpose, below, block};

/// Zero pixels added on every side of an image before a crop of its own size is taken.
pub const PADDING: usize = 4;

/// Where to crop, and whether to flip: what torchvision's `RandomCrop(32, padding=4)` and `RandomHorizontalFlip()` draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Augment {
    /// Row of the padded image where the crop begins, 0 to 8.
    pub top: u8,
    /// Column of the padded image where the crop begins, 0 to 8.
    pub left: u8,
    /// Whether the crop is mirrored left to right.
    pub flip: bool,
}

impl Augment {
    /// The crop that takes the image as it is.
    pub const NONE: Self = Self { top: PADDING as u8, left: PADDING as u8, flip: false };

    /// The crop and flip of sample `index` in `epoch` of a run with `seed`: nine rows, nine columns and both directions,
    /// each as likely as the others. It depends on nothing else, so any worker gives a sample the same look.
    #[must_use]
    pub fn draw(seed: u64, epoch: u32, index: u32) -> Self {
        let positions = 2 * PADDING as u32 + 1;
        let bits = block(seed, Purpose::Augment, epoch, index, 0);
        Self {
            top: below(bits[0], positions) as u8,
            left: below(bits[1], positions) as u8,
            flip: below(bits[2], 2) == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crop_and_direction_is_about_as_likely() {
        let draws = 162_000;
        let mut counts = [0u32; 162];
        for index in 0..draws {
            let Augment { top, left, flip } = Augment::draw(7, 3, index);
            counts[usize::from(top) * 18 + usize::from(left) * 2 + usize::from(flip)] += 1;
        }
        // Chi-squared with 161 degrees of freedom: mean 161, standard deviation 18. The draws are fixed, so is this.
        let expected = f64::from(draws) / 162.0;
        let chi: f64 = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        assert!((100.0..230.0).contains(&chi), "{chi}");
    }

    #[test]
    fn seed_epoch_and_sample_each_matter_and_nothing_else_does() {
        let draws =
            |seed, epoch, from: u32| (from..from + 100).map(|i| Augment::draw(seed, epoch, i)).collect::<Vec<_>>();
        assert_eq!(draws(1, 1, 0), draws(1, 1, 0));
        assert_ne!(draws(1, 1, 0), draws(2, 1, 0));
        assert_ne!(draws(1, 1, 0), draws(1 << 32 | 1, 1, 0));
        assert_ne!(draws(1, 1, 0), draws(1, 2, 0));
        assert_ne!(draws(1, 1, 0), draws(1, 1, 100));
    }
}
