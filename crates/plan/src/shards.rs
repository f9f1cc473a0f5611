//! How an epoch is cut into steps, a step into logical shards, and shards among workers.

use std::ops::Range;

/// The steps of an epoch. Each takes the next `batch` samples of the epoch's order, and the last one what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    samples: u32,
    batch: u32,
}

impl Steps {
    /// Steps over `samples` samples, `batch` a step.
    ///
    /// # Panics
    /// If `batch` is 0; a checked configuration has none.
    #[must_use]
    pub fn new(samples: u32, batch: u32) -> Self {
        assert!(batch > 0, "a step takes at least one sample");
        Self { samples, batch }
    }

    /// Steps in an epoch.
    #[must_use]
    pub fn count(self) -> u32 {
        self.samples.div_ceil(self.batch)
    }

    /// The places in the epoch's order that `step` takes; empty past the end.
    #[must_use]
    pub fn samples_of(self, step: u32) -> Range<u32> {
        let at = |step: u32| (u64::from(step) * u64::from(self.batch)).min(u64::from(self.samples)) as u32;
        at(step)..at(step.saturating_add(1))
    }

    /// The places in the epoch's order that `shard` of `shards` takes in `step`. It is `None` if the shard is empty, as
    /// in a last step of fewer samples than shards. It has no batch then, and adds zeros.
    #[must_use]
    pub fn shard_of(self, step: u32, shard: u32, shards: u32) -> Option<Range<u32>> {
        let step = self.samples_of(step);
        let part = block(step.end - step.start, shards, shard);
        (!part.is_empty()).then(|| step.start + part.start..step.start + part.end)
    }
}

/// Part `part` of `items` things cut into `parts` contiguous blocks as evenly as can be: sizes differ by one at most.
///
/// # Panics
/// If `parts` is 0.
#[must_use]
pub fn block(items: u32, parts: u32, part: u32) -> Range<u32> {
    let at = |part: u32| (u64::from(items) * u64::from(part) / u64::from(parts)) as u32;
    at(part)..at(part + 1)
}

/// The part whose block holds `item`, if `items` things are cut as [`block`] cuts them. `None` if no block does.
#[must_use]
pub fn block_of_owner(items: u32, parts: u32, item: u32) -> Option<u32> {
    (0..parts).find(|part| block(items, parts, *part).contains(&item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Promise P2's arithmetic: whatever B, L and W are, every sample of an epoch is in exactly one shard of one
        /// worker.
        #[test]
        fn every_sample_once(samples in 1..5000_u32, batch in 1..700_u32, shards in 1..20_u32, workers in 1..20_u32) {
            let workers = workers.min(shards);
            let steps = Steps::new(samples, batch);
            let mut seen = Vec::new();
            for step in 0..steps.count() {
                for worker in 0..workers {
                    for shard in block(shards, workers, worker) {
                        seen.extend(steps.shard_of(step, shard, shards).into_iter().flatten());
                    }
                }
            }
            prop_assert_eq!(seen, (0..samples).collect::<Vec<_>>());
        }

        #[test]
        fn blocks_are_even(items in 0..10_000_u32, parts in 1..50_u32) {
            let sizes: Vec<u32> = (0..parts).map(|p| block(items, parts, p).len() as u32).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        }

        #[test]
        fn owners_own(items in 1..200_u32, parts in 1..50_u32, item in 0..200_u32) {
            prop_assert_eq!(block_of_owner(items, parts, item).is_some(), item < items);
        }
    }

    #[test]
    fn the_last_step_takes_the_rest() {
        let steps = Steps::new(50_000, 128);
        assert_eq!(steps.count(), 391);
        assert_eq!(steps.samples_of(390), 49_920..50_000);
        assert!(steps.samples_of(391).is_empty());
    }
}
