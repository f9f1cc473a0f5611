//! What goes wrong: workers that fall silent, die within a step or lie, and coordinators that are killed or stand still.

use super::Cluster;
use plan::Blame;
use schedule::ScheduleState;
use std::time::Duration;
use steering::{Ending, Event, Failure, Order, Outcome, RunState, Start, Steering, WorkerId};

impl Cluster {
    /// A worker is not heard of for longer than the failure time-out; all others are.
    pub fn silence(&mut self, silent: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&silent) {
            worker.silent = true;
        }
        self.pass(self.options.failure_timeout + Duration::from_secs(1));
        // It was given up by now, or was no worker of the run any more.
        self.workers.remove(&silent);
    }

    /// The coordinator stands still for as long as `time`. Nobody is heard of, and nobody is to blame. Only those are
    /// given up that the next look at the time would have given up anyway. That look comes within a tenth of the
    /// failure time-out.
    pub fn stand_still(&mut self, time: Duration) {
        if self.ending.is_some() {
            return;
        }
        let mut present = self.steering.clone();
        present.tick(self.now + time.min(self.options.failure_timeout / 10));
        let expected: Vec<WorkerId> = present.workers().keys().copied().collect();
        self.now += time;
        self.tick();
        let left: Vec<WorkerId> = self.steering.workers().keys().copied().collect();
        assert_eq!(left, expected, "nobody is judged by the coordinator's own absence of {time:?}");
    }

    /// The disk holds up all orders for as long as `time`, while all are heard of.
    pub fn hold_up(&mut self, time: Duration) {
        let stalled: Vec<WorkerId> = self.late.keys().copied().collect();
        let heard = |cluster: &Self| cluster.steering.workers().keys().filter(|id| !stalled.contains(id)).count();
        let before = heard(self);
        let end = self.now + time;
        while self.now < end && self.ending.is_none() {
            self.steering.held_up(self.now);
            self.pass(Duration::from_millis(500));
        }
        assert!(self.ending.is_some() || heard(self) == before, "nobody is late for an order not sent");
    }

    /// All uploads break for as long as `time`, and not again soon. A state that would be lost is asked for for longer.
    pub fn break_uploads(&mut self, time: Duration) {
        if self.breaking.is_zero() || self.now > self.breaking + Duration::from_mins(1) {
            self.breaking = self.now + time;
        }
    }

    /// A worker is told to leave. Some advances later all others die at once, unnoticed at first.
    pub fn leave_and_die(&mut self, leaver: WorkerId, advances: u32) {
        self.handle(leaver, Event::Leaving { reason: "asked".to_owned() });
        for _ in 0..advances {
            if self.ending.is_none() {
                self.advance();
            }
        }
        let others: Vec<WorkerId> = self.workers.keys().copied().filter(|worker| *worker != leaver).collect();
        for other in &others {
            if let Some(worker) = self.workers.get_mut(other) {
                worker.silent = true;
            }
        }
        self.let_leavers_go();
        self.pass(self.options.failure_timeout + Duration::from_secs(1));
        for other in others {
            self.workers.remove(&other);
        }
    }

    /// A worker says that it has failed of its own in the generation before this one. It is not a hopeless one: a run
    /// of which only such are left has rightly failed.
    pub fn fail_late(&mut self, worker: WorkerId) {
        const A_FEW: u32 = 3;
        if self.steering.conduct(&format!("w{worker}")).is_some_and(|conduct| conduct.strikes >= A_FEW) {
            return;
        }
        let Some(generation) = self.generation.checked_sub(1).filter(|before| *before > 0) else { return };
        if let Some(known) = self.workers.get_mut(&worker) {
            known.orders.clear();
        }
        let failure = Failure { message: "no memory left".to_owned(), blame: Blame::Own };
        self.handle(worker, Event::Failed { generation, failure });
    }

    /// A bit flips in the memory of a worker.
    pub fn corrupt(&mut self, worker: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.corrupt = worker.held.is_some();
        }
    }

    /// The coordinator is killed, and another one is started. Meanwhile the workers go on with their epoch, for `steps`
    /// steps at most, and what they report is lost. The journal, on a full disk, lacks the last `unrecorded`
    /// generations.
    pub fn restart(&mut self, steps: u32, unrecorded: u64) {
        for _ in 0..steps {
            if self.is_training() && !self.one_pretends() {
                self.commit(&self.members.clone());
            }
        }
        // A worker that was told that it may go has gone.
        self.let_leavers_go();
        // What was not on disk yet is lost with it.
        self.writing.clear();
        self.stalled = 0;
        self.late.clear();
        self.arrived.clear();
        self.recorded = self.recorded.saturating_sub(unrecorded);
        let course = &self.options.course;
        let start = Start {
            generation: self.recorded,
            history: self.epochs.clone(),
            base: (0, ScheduleState::new(course.rate.lr)),
            checkpoint: self.disk.as_ref().map(|state| ("newest".to_owned(), state.at, state.totals)),
            recoveries: Vec::new(),
            void: self.void,
        };
        self.steering = Steering::new(self.options.clone(), start);
        let status = self.steering.status();
        if status.state == RunState::Finished {
            // It was stopped once all was done.
            self.ending = Some(Ending { outcome: Outcome::Finished, reason: status.reason });
            return;
        }
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            if let Some(known) = self.workers.get_mut(&worker) {
                known.tasks.clear();
                // It is forgotten too that it may go.
                known.dismissed = None;
            }
            self.greet(worker);
        }
    }

    /// A member dies in the middle of a step, or of taking a state over. The bits of `committed` say, by rank, which
    /// others have come to its end. The rest report that it failed. If there is neither, the member only dies.
    pub fn die_in_step(&mut self, victim: WorkerId, committed: u64) {
        let (members, generation) = (self.members.clone(), self.generation);
        let others: Vec<WorkerId> = members.iter().copied().filter(|member| *member != victim).collect();
        let committing: Vec<WorkerId> =
            (0u32..).zip(&others).filter(|(bit, _)| committed >> (bit % 64) & 1 == 1).map(|(_, id)| *id).collect();
        if members.contains(&victim) && self.is_training() && !self.one_pretends() {
            self.commit(&committing);
            self.fail(&others, generation);
        } else if members.contains(&victim) && self.is_synchronising() {
            self.synchronise_some(&members, &committing, generation);
            self.fail(&others, generation);
        }
        self.detach(victim);
    }

    fn is_synchronising(&self) -> bool {
        !self.members.is_empty()
            && self.members.iter().all(|member| {
                let front = self.workers.get(member).and_then(|worker| worker.orders.front());
                matches!(front, Some(Order::Synchronise { .. }))
            })
    }
}
