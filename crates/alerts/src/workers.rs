//! What is told of workers.

use crate::{
    alert::Kind,
    lookout::{Lookout, Seen},
};
use proto::v1::{Recovery, Worker};
use view::duration;

impl Lookout {
    pub(crate) fn look_at_workers(&mut self, seen: &Seen<'_>) {
        self.look_at_recoveries(&seen.run.recoveries);
        let workers = &seen.run.workers;
        for worker in workers {
            self.look_at_set_aside(worker);
        }
        for name in self.lasting_of(Kind::WorkerSetAside) {
            if !workers.iter().any(|worker| worker.name == name) {
                self.lasts(Kind::WorkerSetAside, Some(&name), false, |_| format!("{name} has left"));
            }
        }
        self.look_at_slow(seen);
    }

    /// Those of an earlier coordinator were told by it. One whose worker is named later is told again, with the name.
    fn look_at_recoveries(&mut self, recoveries: &[Recovery]) {
        let Some(seen) = self.recoveries.replace(recoveries.to_vec()) else { return };
        let known = seen.len() - gone(&seen, recoveries);
        let before = &seen[seen.len() - known..];
        let (old, new) = recoveries.split_at(known);
        let named = old.iter().zip(before).filter(|(now, before)| now.kind != before.kind).map(|(now, _)| now);
        for recovery in named.chain(new) {
            // Several that are lost together are named in the text alone.
            let name = recovery.kind.split_once(" lost").map(|(name, _)| name).filter(|name| !name.contains(' '));
            self.tell(Kind::WorkerLost, name, recovery.kind.clone());
        }
    }

    fn look_at_set_aside(&mut self, worker: &Worker) {
        let name = worker.name.as_str();
        self.lasts(Kind::WorkerSetAside, Some(name), worker.back_in_seconds.is_some(), |begins| {
            let back = worker.back_in_seconds.filter(|seconds| *seconds > 0.0).map(duration);
            match back {
                Some(back) if begins => format!("{name} is set aside for {back}: {}", worker.set_aside),
                _ if begins => format!("{name} is set aside: {}", worker.set_aside),
                _ => format!("{name} may take part again"),
            }
        });
    }

    /// A worker is compared with the others, by the time that a shard takes.
    fn look_at_slow(&mut self, seen: &Seen<'_>) {
        let times: Vec<(&str, f64)> = seen.run.workers.iter().filter_map(|w| Some((&*w.name, of_shard(w)?))).collect();
        let slow: Vec<(&str, f64)> = times
            .iter()
            .filter_map(|(name, time)| {
                let others = times.iter().filter(|(other, _)| other != name).map(|(_, time)| *time);
                let factor = time / middle(others.collect())?;
                (factor > self.rules.slow_factor).then_some((*name, factor))
            })
            .collect();
        self.slow_since.retain(|name, _| slow.iter().any(|(slow, _)| slow == name));
        for (name, factor) in &slow {
            let since = *self.slow_since.entry((*name).to_owned()).or_insert(seen.at);
            if seen.at.saturating_sub(since) >= self.rules.slow_for {
                self.lasts(Kind::WorkerSlow, Some(name), true, |_| {
                    format!("{name} takes {factor:.1} times as long for a shard as others")
                });
            }
        }
        for name in self.lasting_of(Kind::WorkerSlow) {
            if !slow.iter().any(|(slow, _)| *slow == name) {
                self.lasts(Kind::WorkerSlow, Some(&name), false, |_| format!("{name} is no longer slow"));
            }
        }
    }
}

/// How many of those that were `seen` are shown no more: of a run that had many, only the newest are.
fn gone(seen: &[Recovery], now: &[Recovery]) -> usize {
    let least = seen.len().saturating_sub(now.len());
    let fits = |gone: &usize| seen[*gone..].iter().zip(now).all(|(seen, now)| is_same(seen, now));
    (least..seen.len()).find(fits).unwrap_or(seen.len())
}

/// Whether `now` may be what was `seen` before. One that is not over may get a name and a generation.
fn is_same(seen: &Recovery, now: &Recovery) -> bool {
    seen.detected_ms == now.detected_ms
        && (seen.resumed_ms.is_none()
            || (seen.resumed_ms, seen.generation, &seen.kind) == (now.resumed_ms, now.generation, &now.kind))
}

/// What a shard takes a member to compute, in seconds.
fn of_shard(worker: &Worker) -> Option<f64> {
    let shards = worker.shards.len() as f64;
    (worker.rank.is_some() && shards > 0.0 && worker.compute_seconds > 0.0).then(|| worker.compute_seconds / shards)
}

/// The lower middle of `values`; `None` if there are none.
fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}
