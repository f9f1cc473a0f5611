//! A crop of the padded image, as torchvision's `RandomCrop(size, padding=...)` takes it, of the image's own size.

use super::{Augment, Draws, Look};

/// Zero pixels are added on every side, before normalisation. Every place of the crop is as likely as the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// Pixels that are added on each side.
    pub padding: u8,
}

impl Augment for Crop {
    fn apply(&self, draws: &mut Draws, look: &mut Look) {
        let padding = i32::from(self.padding);
        for axis in [&mut look.rows, &mut look.columns] {
            axis.shift(draws.below(2 * u32::from(self.padding) + 1) as i32 - padding);
        }
    }
}
