//! Failures that workers report: whose they are, what follows, and when they are survived.

use crate::{
    event::Failure,
    order::{Decision, Outcome},
    phase::Phase,
    recovery::Recovery,
    steering::Steering,
    worker::{Worker, WorkerId},
};
use plan::Blame;
use std::time::Duration;

impl Steering {
    pub(crate) fn failed(
        &mut self,
        now: Duration,
        worker: WorkerId,
        generation: u64,
        failure: &Failure,
        decisions: &mut Vec<Decision>,
    ) {
        let wall = self.clock.wall();
        let member = generation > 0;
        // A worker that is set aside was counted already, and did not know of it.
        let counted = |known: &Worker| !self.generation.has(worker) && wall < known.aside;
        if self.workers.get(&worker).is_none_or(counted) || matches!(self.phase, Phase::Over(_)) {
            return;
        }
        if matches!(self.phase, Phase::Saving(_)) {
            // No generation suffers from it any more.
            if failure.blame == Blame::Own {
                self.set_aside(now, worker, &failure.message, decisions);
            }
            return;
        }
        let reason = format!("{}: {}", self.name(worker), failure.message);
        match failure.blame {
            Blame::Diverged if member => self.diverges(now, worker, &failure.message, decisions),
            Blame::Own | Blame::Diverged => self.fail_of_its_own(now, worker, &failure.message, decisions),
            Blame::Withheld if !member || self.reforming.is_some() || !self.losses.is_empty() => {}
            Blame::Withheld => {
                self.failed_at.get_or_insert(self.clock.wall());
                self.recovery(reason.clone(), 0);
                // What it waits for may be lost on its own line, and the others cannot do anything about it.
                self.disturbed(now, &[worker]);
                self.suspect(now, worker, &failure.message, decisions);
                let name = self.name(worker);
                self.register.starves(&name);
                self.reform(&reason);
            }
            // A worker that is alone suffers from nobody.
            Blame::Suffered if self.generation.members.len() < 2 => {
                self.fail_of_its_own(now, worker, &failure.message, decisions);
            }
            // The generation has failed already in this moment.
            Blame::Suffered if !member || self.reforming.is_some() || !self.losses.is_empty() => {}
            Blame::Suffered => {
                self.failed_at.get_or_insert(self.clock.wall());
                if self.recoveries.last().is_none_or(|recovery| recovery.resumed_ms.is_some()) {
                    self.unnamed = true;
                    self.recovery(format!("failed collective, by the report of {reason}"), 0);
                }
                self.fruitless_generation(now, &reason, decisions);
            }
        }
    }

    /// A member says that a loss is no number. If the run has diverged, all members come to the same. So the run ends
    /// if another one says so too, or if nobody else is there who could find out. A single one may be faulty, and
    /// others do the step without it. Newcomers say nothing of a run that others have brought this far.
    pub(crate) fn diverges(&mut self, now: Duration, worker: WorkerId, message: &str, decisions: &mut Vec<Decision>) {
        if !self.is_proven(worker) && self.generation.members.iter().any(|member| self.is_proven(*member)) {
            return self.fail_of_its_own(now, worker, message, decisions);
        }
        if self.has_diverged(worker) {
            let reason = format!("{}: {message}", self.name(worker));
            return self.end_unsaved(now, Outcome::Failed, &reason, decisions);
        }
        self.fail_of_its_own(now, worker, message, decisions);
    }

    /// Whether the run has diverged, now that `worker` comes to a loss that is no number. It has if another one came to
    /// the same, or if nobody is there who could come to another result. Workers that prepare or are set aside could,
    /// but are waited for only once. A worker that has committed no step is not believed the first time.
    pub(crate) fn has_diverged(&mut self, worker: WorkerId) -> bool {
        let again = !self.diverged.insert(self.name(worker));
        let others = self.workers.iter().any(|(id, other)| {
            let able = other.prepared || !again && !self.is_hopeless(other);
            *id != worker && able && !other.leaving && !self.diverged.contains(&other.name)
        });
        self.diverged.len() > 1 || !others && (again || self.is_proven(worker))
    }

    /// A worker cannot go on for a reason of its own. The others go on at once without it.
    pub(crate) fn fail_of_its_own(
        &mut self,
        now: Duration,
        worker: WorkerId,
        message: &str,
        decisions: &mut Vec<Decision>,
    ) {
        let member = self.generation.has(worker);
        let kind = format!("{} set aside: {message}", self.name(worker));
        self.disturbed(now, &[worker]);
        self.set_aside(now, worker, message, decisions);
        if member {
            self.failed_at.get_or_insert(self.clock.wall());
            self.fruitless = 0;
            match self.recoveries.last_mut() {
                Some(recovery) if std::mem::take(&mut self.unnamed) => recovery.kind.clone_from(&kind),
                _ => self.recovery(kind.clone(), 0),
            }
            self.reform(&kind);
        } else if matches!(self.phase, Phase::Waiting) {
            self.explain_waiting(now);
            self.give_up_if_hopeless(now, decisions);
        }
    }

    /// Notes a failure that is to be survived, noticed `detected_ms` after the last sign that all was well.
    pub(crate) fn recovery(&mut self, kind: String, detected_ms: u64) {
        let generation = self.generation.number;
        self.recoveries.push(Recovery { kind, detected_ms, resumed_ms: None, generation });
    }

    /// A step was committed. If there was a failure before it, the run has recovered.
    pub(crate) fn resumed(&mut self) {
        let failed = self.recoveries.last().filter(|recovery| recovery.resumed_ms.is_none());
        if failed.is_some_and(|recovery| recovery.generation >= self.generation.number) {
            // The step is one of the generation that failed, reported late.
            return;
        }
        self.unnamed = false;
        if let Some(failed_at) = self.failed_at.take() {
            let passed = self.clock.wall().saturating_sub(failed_at).as_millis() as u64;
            for recovery in self.recoveries.iter_mut().filter(|recovery| recovery.resumed_ms.is_none()) {
                recovery.resumed_ms = Some(passed);
                recovery.generation = self.generation.number;
            }
        }
    }
}
