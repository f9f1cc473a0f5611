//! The state machine itself: what it remembers, and who deals with which event.

use crate::{
    Decision, Ending, EpochRecord, Event, Failure, Options, Order, Outcome, Recovery, RunState, Start, Status, Worker,
    WorkerId,
    digest::Digests,
    phase::{Generation, Halt, Phase},
};
use plan::{Position, ScheduleState, Totals};
use std::{collections::BTreeMap, time::Duration};

/// Generations in a row without a single committed step after which a run is given up.
const FRUITLESS: u32 = 5;

/// The state machine of a run.
#[derive(Debug, Clone)]
pub struct Steering {
    pub(crate) options: Options,
    pub(crate) base: (u32, ScheduleState),
    pub(crate) history: Vec<EpochRecord>,
    pub(crate) checkpoint: Option<(String, Position, Totals)>,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    pub(crate) generation: Generation,
    pub(crate) phase: Phase,
    /// The last generation that any worker was told of, as far as is known. Above the own number only if an earlier
    /// coordinator could not write its journal.
    pub(crate) last_known: u64,
    /// Whether there were enough workers once.
    pub(crate) begun: bool,
    /// Why the run is to stop.
    pub(crate) stop: Option<String>,
    pub(crate) recoveries: Vec<Recovery>,
    /// When the last failure was noticed, until a step is committed.
    pub(crate) failed_at: Option<Duration>,
    /// Whether that failure is known only by what its victims report: who is lost next is to blame for it.
    pub(crate) unnamed: bool,
    /// When the epoch in progress began.
    pub(crate) epoch_began: Option<Duration>,
    /// Generations in a row that failed by a worker's own report, without a step and without a loss that explains it.
    pub(crate) fruitless: u32,
    pub(crate) digests: Digests,
    /// Why the run is where it is.
    pub(crate) reason: String,
}

impl Steering {
    /// A run that begins, or goes on, at `start`; one that is complete there is over.
    #[must_use]
    pub fn new(options: Options, start: Start) -> Self {
        let complete = start.is_complete(&options.config);
        let mut steering = Self {
            options,
            base: start.base,
            history: start.history,
            checkpoint: start.checkpoint,
            workers: BTreeMap::new(),
            generation: Generation { number: start.generation, ..Generation::default() },
            phase: Phase::Waiting,
            last_known: 0,
            begun: false,
            stop: None,
            recoveries: start.recoveries,
            failed_at: None,
            unnamed: false,
            epoch_began: None,
            fruitless: 0,
            digests: Digests::default(),
            reason: String::new(),
        };
        steering.reason = steering.waiting_reason();
        if complete {
            steering.reason = format!("all {} epochs are done", steering.epochs_done());
            steering.phase = Phase::Over(Ending { outcome: Outcome::Finished, reason: steering.reason.clone() });
        }
        steering
    }

    /// Takes notice of what `worker` did at `now`, a time since any fixed moment. Returns what is to be done.
    pub fn handle(&mut self, now: Duration, worker: WorkerId, event: Event) -> Vec<Decision> {
        let mut decisions = Vec::new();
        if let Some(known) = self.workers.get_mut(&worker) {
            known.last_seen = now;
            known.notice(now, &event);
        }
        match event {
            Event::Attached { name, host, held, generation } => {
                self.last_known = self.last_known.max(generation);
                self.attached(now, worker, name, host, held);
            }
            Event::Prepared => self.prepared(now, worker, &mut decisions),
            Event::Detached { cause } => self.lost(now, worker, &cause, &mut decisions),
            Event::Leaving { reason } => self.leaving(now, worker, &reason, &mut decisions),
            Event::StoreOpened { generation, port } if self.is_current(worker, generation) => {
                self.store_opened(worker, port, &mut decisions);
            }
            Event::Ready { generation, held, totals } if self.is_current(worker, generation) => {
                self.ready(now, worker, held, totals, &mut decisions);
            }
            Event::Progress { generation, position, .. } => self.progress(now, worker, generation, position),
            Event::Digest { generation, position, digest } if self.is_current(worker, generation) => {
                self.digested(now, worker, position, digest, &mut decisions);
            }
            Event::EpochDone { generation, totals, stretch } if self.is_current(worker, generation) => {
                self.epoch_trained(now, totals, stretch, &mut decisions);
            }
            Event::Halted { generation, position, totals, stretch } if self.is_current(worker, generation) => {
                self.halted(now, position, totals, stretch, &mut decisions);
            }
            Event::Evaluated { generation, results } if self.is_current(worker, generation) => {
                self.evaluated(now, results, &mut decisions);
            }
            Event::StateArrived { generation, position } if self.is_current(worker, generation) => {
                self.state_arrived(now, position, &mut decisions);
            }
            Event::Failed { generation, failure } if self.is_current(worker, generation) => {
                self.failed(now, worker, &failure, &mut decisions);
            }
            // Of a generation that is over.
            _ => {}
        }
        decisions
    }

    /// Takes notice of the time.
    pub fn tick(&mut self, now: Duration) -> Vec<Decision> {
        let mut decisions = Vec::new();
        if matches!(self.phase, Phase::Over(_)) {
            return decisions;
        }
        let timeout = self.options.failure_timeout;
        let silent: Vec<(WorkerId, Duration)> = self
            .workers
            .iter()
            .filter_map(|(id, worker)| Some((*id, now.checked_sub(worker.last_seen)?)))
            .filter(|(_, silence)| *silence > timeout)
            .collect();
        for (worker, silence) in silent {
            self.give_up(now, worker, &format!("silent for {:.1} s", silence.as_secs_f64()), &mut decisions);
        }
        self.give_up_stuck(now, &mut decisions);
        self.name_stragglers(now, &mut decisions);
        if let Phase::Forming { since, ready } = &self.phase
            && now.saturating_sub(*since) > timeout
        {
            let late: Vec<WorkerId> =
                self.generation.members.iter().copied().filter(|member| !ready.contains_key(member)).collect();
            let reason =
                format!("did not come to generation {} within {} s", self.generation.number, timeout.as_secs_f64());
            for worker in late {
                self.give_up(now, worker, &reason, &mut decisions);
            }
        }
        decisions
    }

    /// Asks for the end of the run: after the step in progress, saved.
    pub fn stop(&mut self, reason: &str) -> Vec<Decision> {
        let mut decisions = Vec::new();
        if self.stop.is_some() || matches!(self.phase, Phase::Over(_)) {
            return decisions;
        }
        self.stop = Some(reason.to_owned());
        match self.phase {
            Phase::Waiting => self.end(Outcome::Stopped, reason, &mut decisions),
            Phase::Training { .. } => self.halt(Halt::Stop, reason, &mut decisions),
            // These come to a point by themselves where the stop is looked at.
            Phase::Forming { .. } | Phase::Evaluating { .. } | Phase::Saving | Phase::Over(_) => {}
        }
        decisions
    }

    /// Takes notice that a checkpoint is on disk: a generation may start from it.
    pub fn checkpointed(&mut self, name: String, position: Position, totals: Totals) {
        if self.checkpoint.as_ref().is_none_or(|(_, newest, _)| *newest <= position) {
            self.checkpoint = Some((name, position, totals));
        }
    }

    /// Ends a run that cannot go on.
    pub fn fail(&mut self, reason: &str) -> Vec<Decision> {
        let mut decisions = Vec::new();
        self.end(Outcome::Failed, reason, &mut decisions);
        decisions
    }

    /// What the run is doing and why.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = match &self.phase {
            _ if self.stop.is_some() && !matches!(self.phase, Phase::Over(_) | Phase::Saving) => RunState::Stopping,
            Phase::Waiting => RunState::Waiting,
            Phase::Forming { .. } => RunState::Forming,
            Phase::Training { .. } => RunState::Training,
            Phase::Evaluating { .. } => RunState::Evaluating,
            Phase::Saving => RunState::Saving,
            Phase::Over(Ending { outcome: Outcome::Finished, .. }) => RunState::Finished,
            Phase::Over(Ending { outcome: Outcome::Stopped, .. }) => RunState::Stopped,
            Phase::Over(Ending { outcome: Outcome::Failed, .. }) => RunState::Failed,
        };
        Status { state, reason: self.reason.clone() }
    }

    /// The attached workers.
    #[must_use]
    pub fn workers(&self) -> &BTreeMap<WorkerId, Worker> {
        &self.workers
    }

    /// The generation's number; the last one's while none is.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.number
    }

    /// The members of the generation, by rank; empty while none is.
    #[must_use]
    pub fn members(&self) -> &[WorkerId] {
        &self.generation.members
    }

    /// The rank of a worker in the generation; `None` if it is no member.
    #[must_use]
    pub fn rank_of(&self, worker: WorkerId) -> Option<u32> {
        self.generation.rank_of(worker).map(|rank| rank as u32)
    }

    /// The epochs that are done.
    #[must_use]
    pub fn history(&self) -> &[EpochRecord] {
        &self.history
    }

    /// The failures that were survived.
    #[must_use]
    pub fn recoveries(&self) -> &[Recovery] {
        &self.recoveries
    }

    /// The schedule of the epoch in progress, or to come.
    #[must_use]
    pub fn schedule(&self) -> &ScheduleState {
        self.history.last().map_or(&self.base.1, |record| &record.schedule)
    }

    /// Epochs that are done, and so the number of the one in progress.
    #[must_use]
    pub fn epochs_done(&self) -> u32 {
        self.history.last().map_or(self.base.0, |record| record.epoch + 1)
    }

    fn is_current(&self, worker: WorkerId, generation: u64) -> bool {
        generation == self.generation.number && self.generation.has(worker)
    }

    pub(crate) fn name(&self, worker: WorkerId) -> String {
        self.workers.get(&worker).map_or_else(|| format!("worker {worker}"), |worker| worker.name.clone())
    }

    pub(crate) fn steps(&self) -> u32 {
        self.options.config.steps().count()
    }

    /// Sends every member an order.
    pub(crate) fn to_all(&self, decisions: &mut Vec<Decision>, order: impl Fn(usize) -> Order) {
        for (rank, worker) in self.generation.members.iter().enumerate() {
            decisions.push(Decision::Send { worker: *worker, order: order(rank) });
        }
    }

    fn progress(&mut self, now: Duration, worker: WorkerId, generation: u64, position: Position) {
        let current = self.is_current(worker, generation);
        if let Some(known) = self.workers.get_mut(&worker) {
            let moved = position > known.position;
            known.position = position;
            if current && moved {
                self.fruitless = 0;
                self.resumed(now);
            }
        }
    }

    /// A step was committed: if a failure was before it, the run has recovered.
    pub(crate) fn resumed(&mut self, now: Duration) {
        self.unnamed = false;
        if let Some(failed_at) = self.failed_at.take() {
            let passed = now.saturating_sub(failed_at).as_millis() as u64;
            for recovery in self.recoveries.iter_mut().filter(|recovery| recovery.resumed_ms.is_none()) {
                recovery.resumed_ms = Some(passed);
                recovery.generation = self.generation.number;
            }
        }
    }

    fn failed(&mut self, now: Duration, worker: WorkerId, failure: &Failure, decisions: &mut Vec<Decision>) {
        let reason = format!("{}: {}", self.name(worker), failure.message);
        self.fruitless += 1;
        if failure.fatal {
            return self.end(Outcome::Failed, &reason, decisions);
        }
        if self.fruitless >= FRUITLESS {
            let reason = format!("{FRUITLESS} generations in a row failed without a step; the last by {reason}");
            return self.end(Outcome::Failed, &reason, decisions);
        }
        self.failed_at.get_or_insert(now);
        if self.recoveries.last().is_none_or(|recovery| recovery.resumed_ms.is_some()) {
            self.unnamed = true;
            self.recovery(format!("failed collective, by the report of {reason}"), 0);
        }
        self.reform(now, &reason, decisions);
    }

    /// A failure that is to be survived, noticed `detected_ms` after the last sign that all was well.
    pub(crate) fn recovery(&mut self, kind: String, detected_ms: u64) {
        let generation = self.generation.number;
        self.recoveries.push(Recovery { kind, detected_ms, resumed_ms: None, generation });
    }

    pub(crate) fn end(&mut self, outcome: Outcome, reason: &str, decisions: &mut Vec<Decision>) {
        reason.clone_into(&mut self.reason);
        let ending = Ending { outcome, reason: reason.to_owned() };
        self.phase = Phase::Over(ending.clone());
        self.generation.members.clear();
        for worker in self.workers.keys() {
            let order = Order::Dismiss { reason: format!("the run is over: {reason}") };
            decisions.push(Decision::Send { worker: *worker, order });
        }
        decisions.push(Decision::End(ending));
    }
}
