//! Who takes part: workers that come and are lost.

use crate::{
    order::{Decision, Order, Outcome},
    phase::{Halt, Phase},
    saving::Then,
    steering::Steering,
    worker::{Worker, WorkerId},
};
use plan::Held;
use std::time::Duration;

/// Losses of one moment that are recorded one by one.
const RECORDED: usize = 3;

/// Generations in a row that are not formed to the end because somebody comes. Who comes later is taken in after a step.
const BROKEN_OFF: u32 = 3;

/// A member that was lost.
#[derive(Debug, Clone)]
pub(crate) struct Loss {
    kind: String,
    /// From its last sign of life to the notice.
    detected: Duration,
}

impl Steering {
    pub(crate) fn attached(&mut self, now: Duration, id: WorkerId, name: String, host: String, held: Option<Held>) {
        self.workers.insert(id, Worker::new(now, name, host, held));
        self.explain_waiting(now);
    }

    /// Says what is waited for, if the run waits.
    pub(crate) fn explain_waiting(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Waiting) {
            self.reason = self.waiting_reason(now);
        }
    }

    pub(crate) fn prepared(&mut self, now: Duration, id: WorkerId, decisions: &mut Vec<Decision>) {
        let wall = self.clock.wall();
        let Some(worker) = self.workers.get_mut(&id).filter(|worker| wall >= worker.aside) else { return };
        if std::mem::replace(&mut worker.prepared, true) || worker.leaving {
            return;
        }
        let (came, failure) = (format!("{} came", worker.name), self.options.failure_timeout);
        if worker.rehearsed > failure {
            decisions.push(Decision::Note(format!(
                "{} is slow: a single piece of its work takes {:.1} s, so it counts as stuck only after {:.0} s. If generations \
                 fail to form with it, raise --failure-timeout (it is {} s)",
                worker.name,
                worker.rehearsed.as_secs_f64(),
                worker.patience(failure).as_secs_f64(),
                failure.as_secs_f64()
            )));
        }
        self.take_in(now, &came, decisions);
    }

    /// Takes in who is able and no member, if there is a place.
    pub(crate) fn take_in(&mut self, now: Duration, reason: &str, decisions: &mut Vec<Decision>) {
        match self.phase {
            Phase::Waiting => self.form_if_enough(now, reason, decisions),
            // Who has failed before is tried once this one stands.
            Phase::Forming { .. } if self.broken_off < BROKEN_OFF && self.has_room(now, |strikes| strikes == 0) => {
                self.broken_off += 1;
                self.reform(reason);
            }
            Phase::Training { .. } if self.has_room(now, |_| true) => self.halt(Halt::Reform, reason, decisions),
            // Spares, or taken in before the next epoch.
            _ => {}
        }
    }

    /// Whether the next generation would have a member that this one has not. Its failures in a row have to be as many
    /// as are `fit`.
    pub(crate) fn has_room(&self, now: Duration, fit: impl Fn(u32) -> bool) -> bool {
        // Cheap where nobody is waiting, which is nearly always.
        self.generation.members.len() < self.options.course.shards as usize
            && self.generation.members.len() < self.workers.len()
            && self.select(now).iter().any(|id| {
                !self.generation.has(*id)
                    && self.workers.get(id).is_some_and(|worker| fit(self.register.strikes(&worker.name)))
            })
    }

    pub(crate) fn give_up(&mut self, now: Duration, id: WorkerId, reason: &str, decisions: &mut Vec<Decision>) {
        if matches!(self.phase, Phase::Over(_)) {
            return;
        }
        decisions.push(Decision::Drop { worker: id, reason: reason.to_owned(), corrupt: false });
        self.lost(now, id, reason, decisions);
    }

    /// A worker is gone. However many go in one moment, the next generation is formed once.
    pub(crate) fn lost(&mut self, now: Duration, id: WorkerId, cause: &str, decisions: &mut Vec<Decision>) {
        let member = self.generation.has(id);
        self.disturbed(now, &[id]);
        let Some(worker) = self.workers.remove(&id) else { return };
        self.notice_absence(now, worker.reached);
        if matches!(self.phase, Phase::Over(_)) {
            return;
        }
        if !member {
            if !worker.leaving {
                decisions.push(Decision::Note(format!("{} is gone: {cause}", worker.name)));
            }
            self.lost_while_saving(now, id, decisions);
            return self.explain_waiting(now);
        }
        let again = self.register.is_lost_again(&worker.name, self.furthest);
        if !worker.proven || again {
            // It has never been of use, or the run has come no further since it was lost before.
            self.register.strike(&worker.name, cause, now);
        }
        let kind = format!("{} lost: {cause}", worker.name);
        decisions.push(Decision::Note(kind.clone()));
        self.losses.push(Loss { kind, detected: now.saturating_sub(worker.last_seen) });
    }

    /// Ends the generation as soon as all that has happened in this moment is known, and forms the next.
    pub(crate) fn reform(&mut self, reason: &str) {
        self.reforming.get_or_insert_with(|| reason.to_owned());
    }

    /// Does what follows from all that has happened in a moment.
    pub(crate) fn settle(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        let losses = std::mem::take(&mut self.losses);
        let reforming = self.reforming.take();
        if matches!(self.phase, Phase::Over(_) | Phase::Saving(_)) {
            return;
        }
        self.record_losses(&losses);
        let lost = losses.first().map(|loss| loss.kind.clone());
        let Some(reason) = lost.or(reforming) else { return };
        self.leave_generation(&reason, decisions);
        if let Some(stop) = self.stop.clone() {
            return self.end(now, Outcome::Stopped, &stop, decisions);
        }
        self.phase = Phase::Waiting;
        let asked = self.is_to_be_saved();
        if std::mem::take(&mut self.save_first) || asked || self.saves_before_they_leave(now) {
            return self.save_then(now, Then::GoOn(reason), decisions);
        }
        self.dismiss_leaving(decisions);
        self.form_if_enough(now, &reason, decisions);
    }

    fn record_losses(&mut self, losses: &[Loss]) {
        let Some(first) = losses.first() else { return };
        self.failed_at = Some(self.clock.wall());
        // It explains what its victims reported, which then says nothing against the next generation.
        self.fruitless = 0;
        let kinds: Vec<(String, Duration)> = if losses.len() > RECORDED {
            let detected = losses.iter().map(|loss| loss.detected).max().unwrap_or_default();
            vec![(format!("{}, and {} others in the same moment", first.kind, losses.len() - 1), detected)]
        } else {
            losses.iter().map(|loss| (loss.kind.clone(), loss.detected)).collect()
        };
        for (kind, detected) in kinds {
            match self.recoveries.last_mut() {
                Some(recovery) if std::mem::take(&mut self.unnamed) => recovery.kind = kind,
                _ => self.recovery(kind, detected.as_millis() as u64),
            }
        }
    }

    /// Tells the members that the generation is over.
    pub(crate) fn leave_generation(&mut self, reason: &str, decisions: &mut Vec<Decision>) {
        let generation = self.generation.number;
        for member in std::mem::take(&mut self.generation.members) {
            if self.workers.contains_key(&member) {
                let order = Order::Abort { generation, reason: reason.to_owned() };
                decisions.push(Decision::Send { worker: member, order });
            }
        }
    }
}
