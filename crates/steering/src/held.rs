//! What a worker holds of the run.

use plan::{Held, Position};
use std::ops::RangeInclusive;

/// How far the state of a worker is, as far as its reports tell. When it is asked, it says exactly what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The next step to be done.
    pub position: Position,
    /// The generation in which it took the state over, as [`Held::lineage`].
    pub lineage: u64,
}

impl From<Held> for Reached {
    fn from(Held { position, lineage, .. }: Held) -> Self {
        Self { position, lineage }
    }
}

impl Reached {
    /// How far the state is. The end of an epoch that is recorded is the beginning of the next.
    pub(crate) fn progress(&self, steps: u32, epochs_done: u32) -> Position {
        let Position { epoch, step } = self.position;
        if step >= steps && epoch < epochs_done { Position { epoch: epoch + 1, step: 0 } } else { self.position }
    }

    /// Whether a run can go on from the state. It has `steps` steps an epoch, and `epochs_done` epochs are recorded.
    /// `lineages` are the generations whose states are not void.
    pub(crate) fn is_usable(&self, steps: u32, epochs_done: u32, lineages: &RangeInclusive<u64>) -> bool {
        // A state of a later epoch is of a course whose decisions are not recorded any more.
        self.position.epoch <= epochs_done && self.position.step <= steps && lineages.contains(&self.lineage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(epoch: u32, step: u32, lineage: u64) -> Reached {
        Reached { position: Position { epoch, step }, lineage }
    }

    #[test]
    fn the_end_of_a_recorded_epoch_is_the_beginning_of_the_next() {
        assert_eq!(reached(1, 5, 1).progress(5, 2), Position { epoch: 2, step: 0 });
        assert_eq!(reached(1, 5, 1).progress(5, 1), Position { epoch: 1, step: 5 });
        assert_eq!(reached(1, 4, 1).progress(5, 2), Position { epoch: 1, step: 4 });
    }

    #[test]
    fn a_state_of_another_course_is_of_no_use() {
        assert!(reached(1, 5, 4).is_usable(5, 1, &(4..=9)));
        assert!(!reached(2, 0, 4).is_usable(5, 1, &(4..=9)), "epoch 1 is not recorded");
        assert!(!reached(1, 6, 4).is_usable(5, 1, &(4..=9)), "an epoch has five steps");
        assert!(!reached(1, 5, 3).is_usable(5, 1, &(4..=9)), "it is void");
        assert!(!reached(1, 5, 10).is_usable(5, 1, &(4..=9)), "its generation never was");
    }
}
