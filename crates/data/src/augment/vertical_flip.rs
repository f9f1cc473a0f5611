//! A mirror image, upside down, of every other sample on average: torchvision's `RandomVerticalFlip()`.

use super::{Augment, Draws, Look};

/// As likely as not. For images that have no up and down, such as those of a microscope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerticalFlip;

impl Augment for VerticalFlip {
    fn apply(&self, draws: &mut Draws, look: &mut Look) {
        if draws.below(2) == 1 {
            look.rows.mirror();
        }
    }
}
