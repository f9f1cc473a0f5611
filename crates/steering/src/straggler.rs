//! Workers that are slower than the rest. A step takes as long as its slowest worker.

use crate::{
    order::Decision,
    phase::Phase,
    steering::Steering,
    worker::{Slow, WorkerId},
};
use plan::block;
use std::time::Duration;

/// How much longer than the median of the others a shard takes a straggler.
const SLOWER: f64 = 1.5;

/// The median of the others for the member whose value has this index in `sorted`; `None` if there are no others. Of two
/// in the middle the greater.
fn median_of_others(sorted: &[(f64, WorkerId)], own: usize) -> Option<f64> {
    let middle = sorted.len().saturating_sub(1) / 2;
    let index = if middle < own { middle } else { middle + 1 };
    sorted.get(index).map(|(value, _)| *value)
}

impl Steering {
    /// Tells people of members that have been slower than the others for the failure time-out, each once a generation.
    pub(crate) fn name_stragglers(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        if !matches!(self.phase, Phase::Training { .. }) {
            return;
        }
        let (shards, world) = (self.options.course.shards, self.generation.members.len() as u32);
        // Who has more shards may take longer.
        let mut of_a_shard: Vec<(f64, WorkerId)> = (0..)
            .zip(&self.generation.members)
            .filter_map(|(rank, id)| {
                let worker = self.workers.get(id)?;
                (worker.compute > 0.0).then(|| (worker.compute / block(shards, world, rank).len().max(1) as f64, *id))
            })
            .collect();
        of_a_shard.sort_unstable_by(|(left, _), (right, _)| left.total_cmp(right));
        for (index, (seconds, id)) in of_a_shard.iter().enumerate() {
            let Some(usual) = median_of_others(&of_a_shard, index) else { continue };
            let Some(worker) = self.workers.get_mut(id) else { continue };
            if *seconds < SLOWER * usual {
                worker.slow = None;
                continue;
            }
            let slow = worker.slow.get_or_insert(Slow { since: now, told: false });
            if !slow.told && now.saturating_sub(slow.since) > self.options.failure_timeout {
                slow.told = true;
                let name = &worker.name;
                decisions.push(Decision::Note(format!(
                    "{name} is slow: a shard takes it {seconds:.3} s, and the others {usual:.3} s; all wait for it"
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_median_is_of_the_others(values in proptest::collection::vec(0.0f64..9.0, 0..9)) {
            let mut sorted: Vec<(f64, WorkerId)> = values.into_iter().zip(1..).collect();
            sorted.sort_unstable_by(|(left, _), (right, _)| left.total_cmp(right));
            for own in 0..sorted.len() {
                let mut others: Vec<f64> = sorted.iter().map(|(value, _)| *value).collect();
                others.remove(own);
                prop_assert_eq!(median_of_others(&sorted, own), others.get(others.len() / 2).copied());
            }
        }
    }
}
