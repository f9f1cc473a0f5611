//! What goes wrong: workers that fall silent or die within a step, and coordinators that are killed.

use super::Cluster;
use plan::ScheduleState;
use std::time::Duration;
use steering::{Event, Start, Steering, WorkerId};

impl Cluster {
    /// A worker is not heard of for longer than the failure time-out; all others are.
    pub fn silence(&mut self, silent: WorkerId) {
        self.now += self.options.failure_timeout + Duration::from_secs(1);
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            if worker == silent || self.ending.is_some() {
                continue;
            }
            let Some(known) = self.workers.get_mut(&worker) else { continue };
            known.pulse += 1;
            let (pulse, position) = (known.pulse, known.held.as_ref().map(|state| state.at).unwrap_or_default());
            let generation = self.generation;
            self.handle(worker, Event::Progress { generation, position, pulse, waiting: false, compute: 0.1 });
        }
        if self.ending.is_none() {
            self.tick();
        }
    }

    /// The coordinator is killed and another one started. The workers go on with their epoch meanwhile, for some steps at
    /// the most, and what they report is lost. Of as many generations as `unrecorded` the journal, on a full disk, knows
    /// nothing.
    pub fn restart(&mut self, steps: u32, unrecorded: u64) {
        for _ in 0..steps {
            if self.is_training() {
                self.commit(&self.members.clone());
            }
        }
        // What was not on disk yet is lost with it.
        self.writing.clear();
        self.arrived.clear();
        self.recorded = self.recorded.saturating_sub(unrecorded);
        let config = &self.options.config;
        let start = Start {
            generation: self.recorded,
            history: self.epochs.clone(),
            base: (0, ScheduleState::new(config.lr)),
            checkpoint: self.disk.as_ref().map(|state| ("newest".to_owned(), state.at, state.totals)),
            recoveries: Vec::new(),
        };
        self.steering = Steering::new(self.options.clone(), start);
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            self.greet(worker);
        }
    }

    /// A member dies in the middle of a step: some of the others have committed it, `committed` says which by the bits of
    /// their ranks, and the rest report that it failed. Outside of training it only dies.
    pub fn die_in_step(&mut self, victim: WorkerId, committed: u64) {
        let (members, generation) = (self.members.clone(), self.generation);
        let others: Vec<WorkerId> = members.iter().copied().filter(|member| *member != victim).collect();
        if members.contains(&victim) && self.is_training() {
            let committing: Vec<WorkerId> =
                (0u32..).zip(&others).filter(|(bit, _)| committed >> (bit % 64) & 1 == 1).map(|(_, id)| *id).collect();
            self.commit(&committing);
            self.fail(&others, generation);
        }
        self.detach(victim);
    }
}
