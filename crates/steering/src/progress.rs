//! How far the workers say that they are.

use crate::{held::Reached, selection, steering::Steering, worker::WorkerId};
use plan::Position;
use std::time::Duration;

impl Steering {
    pub(crate) fn progress(&mut self, now: Duration, worker: WorkerId, generation: u64, position: Position) {
        let current = self.is_current(worker, generation);
        let (steps, epoch) = (self.steps(), self.epochs_done());
        let Some(known) = self.workers.get_mut(&worker) else { return };
        if !current && generation > self.void && !self.generation.has(worker) {
            // It goes on with its epoch, as when the coordinator was away.
            let newer = known.reached.is_none_or(|reached| position > reached.position);
            if newer {
                known.reached = Some(Reached { position, lineage: generation });
            }
        }
        // What lies outside of the epoch in progress is no position to be believed.
        if !current || position.step > steps || position.epoch > epoch || position <= known.position {
            return;
        }
        known.position = position;
        if let Some(reached) = &mut known.reached {
            reached.position = position;
        }
        self.committed(now, worker);
    }

    /// A member has committed a step.
    pub(crate) fn committed(&mut self, now: Duration, worker: WorkerId) {
        self.fruitless = 0;
        self.broken_off = 0;
        self.diverged.clear();
        self.resumed();
        self.generation.stepped = now;
        let together = self.generation.members.len() > 1;
        let Some(known) = self.workers.get_mut(&worker) else { return };
        known.met |= together;
        // Reports that were held up come in one moment: that the last one came so soon says little.
        known.step = now.saturating_sub(known.step_began).max(known.step.saturating_mul(7) / 8);
        known.step_began = now;
        if !std::mem::replace(&mut known.proven, true) {
            self.register.absolve(&known.name);
            // Those who are tried are proven together: once they all are, more may be tried.
            let members = &self.generation.members;
            if members.iter().all(|member| self.workers.get(member).is_some_and(|worker| worker.proven)) {
                self.trial = selection::after_success(self.trial);
            }
        }
        let Some(known) = self.workers.get(&worker) else { return };
        if known.position < self.furthest {
            // What is done once more is nobody's merit.
            return;
        }
        if known.position > self.furthest {
            (self.furthest, self.useful) = (known.position, now);
        }
        if let Some(since) = known.member_since {
            self.register.serve(&known.name, since, now);
        }
    }
}
