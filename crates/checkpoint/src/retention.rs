//! Which checkpoints stay.

use crate::Manifest;

/// Rules that compose: a checkpoint stays if any of them keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The newest so many; the newest one stays always.
    pub last: usize,
    /// The one with the highest test accuracy, among those whose test loss is a number; of equals the first.
    pub best: bool,
}

impl Retention {
    /// Which of `checkpoints`, oldest first, are to go: indices, oldest first.
    #[must_use]
    pub fn superfluous(&self, checkpoints: &[Manifest]) -> Vec<usize> {
        let first_kept = checkpoints.len().saturating_sub(self.last.max(1));
        let best = self.best.then(|| best(checkpoints)).flatten();
        (0..first_kept).filter(|index| Some(*index) != best).collect()
    }
}

/// The checkpoint with the highest test accuracy, among those whose test loss is a number; of equals the first.
#[must_use]
pub fn best(checkpoints: &[Manifest]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, manifest) in checkpoints.iter().enumerate() {
        if let Some(accuracy) = manifest.test_accuracy
            && manifest.is_evaluated()
            && best.is_none_or(|(_, highest)| accuracy > highest)
        {
            best = Some((index, accuracy));
        }
    }
    best.map(|(index, _)| index)
}
