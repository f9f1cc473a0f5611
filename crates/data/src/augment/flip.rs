//! A mirror image, left to right, of every other sample on average: torchvision's `RandomHorizontalFlip()`.

use super::{Augment, Draws, Look};

/// As likely as not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flip;

impl Augment for Flip {
    fn apply(&self, draws: &mut Draws, look: &mut Look) {
        if draws.below(2) == 1 {
            look.columns.mirror();
        }
    }
}
