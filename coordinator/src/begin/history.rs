//! Whether what is recorded leads to where a run goes on.

use checkpoint::Manifest;
use steering::EpochRecord;

/// Whether the epochs of `recorded` are those that led to a checkpoint, or go on from it: without a gap, and with the
/// schedule that it has. What does not would have the run go on with another learning rate.
pub(super) fn leads_to(recorded: &[EpochRecord], at: &Manifest) -> bool {
    let Some((first, last)) = recorded.first().zip(recorded.last()) else { return true };
    let epoch = at.position.epoch;
    let before = recorded.iter().find(|record| record.epoch + 1 == epoch);
    is_without_gaps(recorded)
        && (first.epoch..=last.epoch + 1).contains(&epoch)
        && before.is_none_or(|before| before.schedule == at.schedule)
}

/// Whether the epochs of `recorded` come one after the other.
pub(super) fn is_without_gaps(recorded: &[EpochRecord]) -> bool {
    recorded.windows(2).all(|pair| pair[0].epoch + 1 == pair[1].epoch)
}
