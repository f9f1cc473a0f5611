//! Whether the recorded epochs lead to the state that a run resumes from.

use checkpoint::Manifest;
use steering::EpochRecord;

/// Whether the recorded epochs led to the checkpoint `at`, or go on from it. They must have no gap, and the epoch
/// before the checkpoint must have ended with its schedule. Otherwise the run would go on with another learning rate.
pub(super) fn leads_to(recorded: &[EpochRecord], at: &Manifest) -> bool {
    let Some((first, last)) = recorded.first().zip(recorded.last()) else { return true };
    let epoch = at.position.epoch;
    let before = recorded.iter().find(|record| record.epoch + 1 == epoch);
    is_without_gaps(recorded)
        && (first.epoch..=last.epoch + 1).contains(&epoch)
        && before.is_none_or(|before| before.schedule == at.schedule)
}

/// Whether each epoch of `recorded` follows the one before it.
pub(super) fn is_without_gaps(recorded: &[EpochRecord]) -> bool {
    recorded.windows(2).all(|pair| pair[0].epoch + 1 == pair[1].epoch)
}
