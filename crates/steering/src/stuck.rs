//! Workers that are alive and do nothing.

use crate::{
    order::Decision,
    phase::Phase,
    steering::Steering,
    worker::{Worker, WorkerId},
};
use plan::LONGEST_PATIENCE;
use std::time::Duration;

/// A step may take this many times as long as the worker's steps, or its rehearsal, took.
const STEPS: u32 = 20;

/// How many failure time-outs a step may take while others wait for it, whatever the member says of itself.
const WAITED_FOR: u32 = 20;

/// The shortest such time: a state may have to be taken over first.
const LEAST: Duration = Duration::from_mins(1);

/// The most pieces that a shard's part of a step has. A worker may take its patience for each.
const PIECES: u32 = 100;

impl Steering {
    /// Members whose engine has done nothing for longer than [`Worker::patience`](crate::Worker::patience) although it
    /// waits for nobody, with the reason. If all members wait for each other, a new generation is formed.
    pub(crate) fn find_stuck(&mut self, now: Duration, decisions: &mut Vec<Decision>) -> Vec<(WorkerId, String)> {
        let training = matches!(self.phase, Phase::Training { .. });
        if !training && !matches!(self.phase, Phase::Evaluating { .. }) {
            return Vec::new();
        }
        let timeout = self.options.failure_timeout;
        let mut stuck = Vec::new();
        let mut waiting = 0;
        for id in &self.generation.members {
            let Some(worker) = self.workers.get(id) else { continue };
            let still = now.saturating_sub(worker.moved);
            if still <= worker.patience(timeout) {
                continue;
            }
            // A member that is alone waits only for the coordinator. The disk there may be slow, but not for ever.
            let alone = training && self.generation.members.len() == 1;
            if worker.waiting && !(alone && still > LONGEST_PATIENCE.max(timeout)) {
                waiting += 1;
                continue;
            }
            let (still, position) = (still.as_secs_f64(), worker.position);
            let reason = if worker.proven {
                format!("no progress for {still:.1} s at {position}")
            } else {
                format!(
                    "no progress for {still:.1} s at {position}, and no step before that; if the machine is only slow, \
                     raise --failure-timeout (it is {} s)",
                    timeout.as_secs_f64()
                )
            };
            stuck.push((*id, reason));
        }
        if stuck.is_empty() && training {
            stuck.extend(self.find_standstill(now, waiting, decisions));
        }
        if stuck.is_empty() && training {
            stuck.extend(self.find_disobedience(now));
        }
        if stuck.is_empty() && training {
            stuck.extend(self.find_idlers(now));
        }
        if stuck.is_empty() && !training && waiting == self.generation.members.len() {
            stuck.extend(self.find_silence());
        }
        if stuck.is_empty() && !training {
            stuck.extend(self.find_unevaluated(now));
        }
        stuck
    }

    /// How long a step of `worker` may take, by what is known of it. A worker that has committed steps has shown how
    /// long they take. What another says of itself is believed for a while, and for twice as long after each failure.
    /// It is believed for longer if most of the others say that they are as slow.
    pub(crate) fn step_of(&self, id: WorkerId, worker: &Worker) -> Duration {
        if worker.proven {
            return worker.step.saturating_mul(STEPS).min(LONGEST_PATIENCE);
        }
        let shards = self.options.course.shards;
        let others = self.workers.iter().filter(|(other, known)| **other != id && !known.leaving);
        let mut others: Vec<Duration> = others.map(|(_, other)| other.longest_step(STEPS, PIECES, shards)).collect();
        others.sort_unstable();
        let usual = others.get(others.len().saturating_sub(1) / 2).copied().unwrap_or_default();
        let confirmed = usual.min(LONGEST_PATIENCE);
        let strikes = self.register.strikes(&worker.name);
        let believed = self.waited_for().saturating_mul(1 << strikes.min(16)).max(confirmed);
        worker.longest_step(STEPS, PIECES, shards).min(believed)
    }

    /// How long a step may take while others wait for it, whatever a member says of itself.
    pub(crate) fn waited_for(&self) -> Duration {
        (WAITED_FOR * self.options.failure_timeout).max(LEAST)
    }

    /// How long the slowest member may take for a step ([`Self::step_of`]).
    fn longest_step(&self) -> Duration {
        let members = self.generation.members.iter().filter_map(|id| Some((*id, self.workers.get(id)?)));
        members.map(|(id, worker)| self.step_of(id, worker)).max().unwrap_or_default()
    }

    /// Members that do not stop after the step in progress, for longer than any step can take. Others wait for them.
    fn find_disobedience(&self, now: Duration) -> Vec<(WorkerId, String)> {
        let (Phase::Training { arrived, .. }, Some(halted)) = (&self.phase, self.generation.halted) else {
            return Vec::new();
        };
        let timeout = self.options.failure_timeout;
        let waited = now.saturating_sub(halted);
        if waited <= self.longest_step().max(3 * timeout) {
            return Vec::new();
        }
        let reason = format!(
            "it does not stop after the step in progress, {:.0} s after it was told to; if the machine is only slow, raise \
             --failure-timeout (it is {} s)",
            waited.as_secs_f64(),
            timeout.as_secs_f64()
        );
        let members = self.generation.members.iter().filter(|id| !arrived.contains(*id));
        members.map(|id| (*id, reason.clone())).collect()
    }

    /// Members that commit no step for longer than any step can take, while others could do it without them. The others
    /// are members that wait for it, or spare workers. Members that have shown nothing yet come first.
    fn find_idlers(&self, now: Duration) -> Vec<(WorkerId, String)> {
        let timeout = self.options.failure_timeout;
        let unmoved = now.saturating_sub(self.generation.stepped);
        if unmoved <= self.longest_step().max(self.waited_for()) {
            return Vec::new();
        }
        let members = || self.generation.members.iter().filter_map(|id| Some((*id, self.workers.get(id)?)));
        let spare = self.candidates(now).iter().any(|able| !self.generation.has(able.id));
        let busy: Vec<_> = members().filter(|(_, worker)| !worker.waiting).collect();
        let idle = if busy.is_empty() && spare {
            // Each says that it waits for the others, or for the coordinator.
            members().collect()
        } else if spare || busy.len() < self.generation.members.len() {
            busy
        } else {
            Vec::new()
        };
        let unproven = idle.iter().any(|(_, worker)| !worker.proven);
        let reason = format!(
            "no step for {:.0} s, and others could do it; if the machine is only slow, raise --failure-timeout (it is {} s)",
            unmoved.as_secs_f64(),
            timeout.as_secs_f64()
        );
        let idle = idle.into_iter().filter(|(_, worker)| !(unproven && worker.proven));
        idle.map(|(id, _)| (id, reason.clone())).collect()
    }

    /// A member that is alone and commits no step, whatever it says that it does. If several commit none, or all are
    /// `waiting`, a new generation is formed.
    fn find_standstill(
        &mut self,
        now: Duration,
        waiting: usize,
        decisions: &mut Vec<Decision>,
    ) -> Option<(WorkerId, String)> {
        let timeout = self.options.failure_timeout;
        let members = self.generation.members.len();
        let of = |id: &WorkerId| self.workers.get(id).map_or(timeout, |worker| worker.patience(timeout));
        let longest = self.generation.members.iter().map(of).max().unwrap_or(timeout);
        let longest = longest.saturating_mul(PIECES.saturating_mul(self.options.course.shards));
        let (unmoved, longest) = (now.saturating_sub(self.generation.stepped), longest.max(LONGEST_PATIENCE));
        if unmoved > longest && members == 1 {
            // Whatever it says that it does.
            let reason = format!(
                "no step for {:.0} s, though it says that it does something; if the machine is only slow, raise \
                 --failure-timeout (it is {} s)",
                unmoved.as_secs_f64(),
                timeout.as_secs_f64()
            );
            return self.generation.members.first().map(|alone| (*alone, reason));
        }
        if members > 1 && (waiting == members || unmoved > longest) {
            let reason = if waiting == members {
                format!("every worker has waited for the others for {:.1} s", timeout.as_secs_f64())
            } else {
                format!("no step for {:.0} s, though workers say that they do something", unmoved.as_secs_f64())
            };
            decisions.push(Decision::Note(reason.clone()));
            self.failed_at.get_or_insert(self.clock.wall());
            self.fruitless_generation(now, &reason, decisions);
        }
        None
    }
}
