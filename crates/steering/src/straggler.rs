//! Workers that are slower than the rest. A step takes as long as its slowest worker.

use crate::{Decision, Steering, WorkerId, phase::Phase, worker::Slow};
use plan::block;
use std::time::Duration;

/// How much longer than the median of the others a shard takes a straggler.
const SLOWER: f64 = 1.5;

/// The median of `values`; `None` of none.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl Steering {
    /// Tells people of members that have been slower than the others for the failure time-out, each once a generation.
    pub(crate) fn name_stragglers(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        if !matches!(self.phase, Phase::Training { .. }) {
            return;
        }
        let (shards, world) = (self.options.config.shards, self.generation.members.len() as u32);
        // Who has more shards may take longer.
        let of_a_shard: Vec<(WorkerId, f64)> = (0..)
            .zip(&self.generation.members)
            .filter_map(|(rank, id)| {
                let worker = self.workers.get(id)?;
                (worker.compute > 0.0).then(|| (*id, worker.compute / block(shards, world, rank).len().max(1) as f64))
            })
            .collect();
        for (id, seconds) in &of_a_shard {
            let others = of_a_shard.iter().filter(|(other, _)| other != id).map(|(_, seconds)| *seconds);
            let Some(usual) = median(others.collect()) else { continue };
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
