//! The state machine itself: what it remembers, and who deals with which event.

use crate::{
    clock::Clock,
    conduct::Register,
    epoch::EpochRecord,
    event::Event,
    held::Reached,
    membership::Loss,
    options::{Options, Start},
    order::{Decision, Ending, Order, Outcome},
    pausing::Asked,
    phase::{Generation, Halt, Phase, RunState, Status},
    recovery::Recovery,
    worker::{Worker, WorkerId},
};
use plan::{Blame, Position, Totals};
use schedule::ScheduleState;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    time::Duration,
};

/// How many generations a worker may be ahead of the journal. A larger number is not believed.
const FURTHEST_AHEAD: u64 = 1 << 32;

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
    /// The last generation that any worker was told of, as far as is known. It is above the machine's own number only
    /// if an earlier coordinator could not write its journal.
    pub(crate) last_known: u64,
    /// Whether there were enough workers once.
    pub(crate) begun: bool,
    /// The last generation of an earlier coordinator; 0 if there was none.
    pub(crate) inherited: u64,
    /// When this machine first looked at the time, by the clock on the wall.
    pub(crate) first_look: Option<Duration>,
    /// Why the run is to stop.
    pub(crate) stop: Option<String>,
    /// What people ask for while it goes on.
    pub(crate) asked: Asked,
    pub(crate) recoveries: Vec<Recovery>,
    /// When the last failure was noticed, by the clock on the wall. `None` once a step is committed.
    pub(crate) failed_at: Option<Duration>,
    /// Whether that failure is known only from its victims' reports. The next worker that is lost or fails is named as
    /// its cause.
    pub(crate) unnamed: bool,
    /// Members that were lost in the current moment.
    pub(crate) losses: Vec<Loss>,
    /// Why the generation is to end in the current moment.
    pub(crate) reforming: Option<String>,
    /// When the epoch in progress began, by the clock on the wall.
    pub(crate) epoch_began: Option<Duration>,
    /// Generations in a row that failed without a step, and without a loss that explains it.
    pub(crate) fruitless: u32,
    /// Generations in a row whose forming was broken off because somebody came.
    pub(crate) broken_off: u32,
    /// Names of the workers that have said that a loss is no number, since the last step.
    pub(crate) diverged: BTreeSet<String>,
    /// How the workers have done lately, by name.
    pub(crate) register: Register,
    /// How many newcomers may be members of the next generation.
    pub(crate) trial: usize,
    /// Until when working members go on without newcomers.
    pub(crate) undisturbed_until: Duration,
    /// Whether the newest state is to be saved before the next generation is formed, as its holder may be no member.
    pub(crate) save_first: bool,
    /// What a lost worker held, and when it was lost. This is the newest state that may come back.
    pub(crate) absent: Option<(Duration, Reached)>,
    /// Where states differed and nobody knew whose was right. It is kept until all agree on a later state.
    pub(crate) doubted: Option<Position>,
    /// States of generations up to this one are void.
    pub(crate) void: u64,
    /// Positions of states that are being written, until the outcome is known.
    pub(crate) pending: BTreeSet<Position>,
    /// The last number given to an order or a question.
    pub(crate) numbers: u64,
    /// Measures all that is waited for.
    pub(crate) clock: Clock,
    /// The furthest position that was ever committed, unless the run went back on purpose.
    pub(crate) furthest: Position,
    /// When a step was last committed for the first time.
    pub(crate) useful: Duration,
    /// Why the run is in its phase, in words.
    pub(crate) reason: String,
}

impl Steering {
    /// A run that begins or resumes at `start`. One that is complete there is over.
    #[must_use]
    pub fn new(options: Options, start: Start) -> Self {
        let complete = start.is_complete(options.course.epochs);
        let mut steering = Self {
            options,
            base: start.base,
            history: start.history,
            checkpoint: start.checkpoint,
            workers: BTreeMap::new(),
            // Void generations may be unknown to the journal. Their numbers are not given again.
            generation: Generation { number: start.generation.max(start.void), ..Generation::default() },
            phase: Phase::Waiting,
            last_known: 0,
            begun: false,
            inherited: start.generation,
            first_look: None,
            stop: None,
            asked: Asked::default(),
            recoveries: start.recoveries,
            failed_at: None,
            unnamed: false,
            losses: Vec::new(),
            reforming: None,
            epoch_began: None,
            fruitless: 0,
            broken_off: 0,
            diverged: BTreeSet::new(),
            register: Register::default(),
            trial: usize::MAX,
            undisturbed_until: Duration::ZERO,
            save_first: false,
            absent: None,
            doubted: None,
            void: start.void,
            pending: BTreeSet::new(),
            numbers: 0,
            clock: Clock::default(),
            furthest: Position::default(),
            useful: Duration::ZERO,
            reason: String::new(),
        };
        steering.reason = steering.waiting_reason(Duration::ZERO);
        if complete {
            steering.reason = format!("all {} epochs are done", steering.epochs_done());
            steering.phase = Phase::Over(Ending { outcome: Outcome::Finished, reason: steering.reason.clone() });
        }
        steering
    }

    /// Handles one event ([`Self::handle_all`]).
    pub fn handle(&mut self, now: Duration, worker: WorkerId, event: Event) -> Vec<Decision> {
        self.handle_all([(now, worker, event)])
    }

    /// Handles what workers did, each at a time since some fixed moment. Returns what is to be done. What happened in
    /// one moment is best told at once: the loss of many workers then leads to one new generation.
    pub fn handle_all(&mut self, events: impl IntoIterator<Item = (Duration, WorkerId, Event)>) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for (now, worker, event) in events {
            let now = self.look_at_the_time(now);
            self.take(now, worker, event, &mut decisions);
        }
        let now = self.time(self.clock.wall());
        self.settle(now, &mut decisions);
        decisions
    }

    /// The time that counts at `wall`, the time since the fixed moment of all events. Time in which the coordinator
    /// stood still is left out. Every [`Duration`] that is told of a worker is a time that counts.
    #[must_use]
    pub fn time(&self, wall: Duration) -> Duration {
        self.clock.time(wall, self.options.failure_timeout)
    }

    pub(crate) fn look_at_the_time(&mut self, wall: Duration) -> Duration {
        self.first_look.get_or_insert(wall);
        self.clock.look(wall, self.options.failure_timeout)
    }

    /// Says that what was decided could not be sent until now, as while a stalled disk has to record it first. Nobody
    /// is late for an order that has not come.
    pub fn held_up(&mut self, now: Duration) {
        let before = self.time(self.clock.wall());
        let now = self.look_at_the_time(now);
        let members = self.generation.members.clone();
        for member in members {
            if let Some(worker) = self.workers.get_mut(&member) {
                worker.moved = worker.moved.max(now);
                worker.evaluated = worker.evaluated.max(now);
                worker.step_began = worker.step_began.max(now);
            }
        }
        if let Phase::Forming { since, .. } = &mut self.phase {
            *since = now;
            self.generation.formed = now;
        }
        self.generation.stepped = now;
        self.generation.halted = self.generation.halted.map(|_| now);
        self.wait_anew_while_saving(now);
        if let Some(upload) = self.upload_mut() {
            upload.moved = now;
            // Nor has the state been asked for any longer.
            upload.wait_longer(now.saturating_sub(before));
        }
    }

    fn take(&mut self, now: Duration, worker: WorkerId, event: Event, decisions: &mut Vec<Decision>) {
        if let Some(known) = self.workers.get_mut(&worker) {
            known.last_seen = now;
            known.notice(now, &event);
        }
        match event {
            Event::Attached { name, host, held, generation } => {
                if generation.saturating_sub(self.generation.number) < FURTHEST_AHEAD {
                    self.last_known = self.last_known.max(generation);
                }
                self.attached(now, worker, name, host, held);
                if let Some(known) = self.workers.get_mut(&worker) {
                    // It may go on with what an earlier coordinator has told it.
                    known.worked |= generation > 0;
                }
                self.ask_who_comes(worker, decisions);
                self.save_what_comes(now, worker, decisions);
            }
            Event::Prepared { .. } => self.prepared(now, worker, decisions),
            Event::Detached { cause } => self.lost(now, worker, &cause, decisions),
            Event::Leaving { reason } => self.leaving(now, worker, &reason, decisions),
            Event::StoreOpened { generation, port } if self.is_current(worker, generation) => {
                self.store_opened(worker, port, decisions);
            }
            Event::Ready { generation, held } if self.is_current(worker, generation) => {
                self.ready(now, worker, held, decisions);
            }
            Event::Progress { generation, position, .. } => self.progress(now, worker, generation, position),
            Event::Digest { generation, position, digest } if self.is_current(worker, generation) => {
                self.digested(now, worker, position, digest, decisions);
            }
            Event::EpochDone { generation, epoch, totals, stretch } if self.is_current(worker, generation) => {
                self.epoch_trained(now, worker, epoch, (totals, stretch), decisions);
            }
            Event::Halted { generation, position, stretch } if self.is_current(worker, generation) => {
                self.halted(now, worker, position, stretch, decisions);
            }
            Event::Evaluated { generation, epoch, results } if self.is_current(worker, generation) => {
                self.evaluated(now, worker, epoch, results, decisions);
            }
            Event::Attested { request, held } => self.attested(now, worker, request, held, decisions),
            Event::UploadMoved { upload } => {
                if let Some(expected) = self.upload_mut().filter(|expected| expected.id == upload) {
                    expected.moved = now;
                }
            }
            Event::StateArrived { upload, position, digest } => {
                self.state_arrived(now, upload, (position, digest), decisions);
            }
            Event::UploadFailed { upload, cause } => self.upload_failed(now, upload, &cause, decisions),
            // A worker's own fault stays one, whatever became of the generation.
            Event::Failed { generation, failure }
                if generation == 0
                    || self.is_current(worker, generation)
                    || (generation < self.generation.number
                        && matches!(failure.blame, Blame::Own | Blame::Diverged)) =>
            {
                self.failed(now, worker, generation, &failure, decisions);
            }
            // Other events are of a generation that is over.
            _ => {}
        }
    }

    /// Takes notice of the time: gives up what is late.
    pub fn tick(&mut self, now: Duration) -> Vec<Decision> {
        let mut decisions = Vec::new();
        if matches!(self.phase, Phase::Over(_)) {
            return decisions;
        }
        let now = self.look_at_the_time(now);
        let timeout = self.options.failure_timeout;
        let mut lost: Vec<(WorkerId, String)> = self
            .workers
            .iter()
            .map(|(id, worker)| (*id, now.saturating_sub(worker.last_seen)))
            .filter(|(_, silence)| *silence > timeout)
            .map(|(id, silence)| (id, format!("silent for {:.1} s", silence.as_secs_f64())))
            .collect();
        let silent: BTreeSet<WorkerId> = lost.iter().map(|(id, _)| *id).collect();
        lost.extend(self.find_stuck(now, &mut decisions).into_iter().filter(|(id, _)| !silent.contains(id)));
        for (worker, reason) in lost {
            self.give_up(now, worker, &reason, &mut decisions);
        }
        self.name_stragglers(now, &mut decisions);
        if self.losses.is_empty() {
            self.begin_where_it_stands(now, &mut decisions);
            self.give_up_late(now, &mut decisions);
        }
        self.watch_upload(now, &mut decisions);
        self.watch_saving(now, &mut decisions);
        if matches!(self.phase, Phase::Training { .. } | Phase::Evaluating { .. }) {
            // A worker that goes on may have come as far as one that leaves.
            self.dismiss_leaving(&mut decisions);
        }
        if matches!(self.phase, Phase::Waiting | Phase::Training { halt: None, .. }) {
            self.take_in(now, "a worker came back", &mut decisions);
        }
        if matches!(self.phase, Phase::Waiting) && !self.is_paused() {
            self.give_up_if_hopeless(now, &mut decisions);
        }
        self.settle(now, &mut decisions);
        decisions
    }

    /// Asks for the end of the run: after the step in progress, saved.
    pub fn stop(&mut self, now: Duration, reason: &str) -> Vec<Decision> {
        let mut decisions = Vec::new();
        if self.stop.is_some() || matches!(self.phase, Phase::Over(_)) {
            return decisions;
        }
        let now = self.look_at_the_time(now);
        self.stop = Some(reason.to_owned());
        match self.phase {
            Phase::Waiting | Phase::Forming { .. } => self.end(now, Outcome::Stopped, reason, &mut decisions),
            Phase::Training { .. } => self.halt(Halt::Stop, reason, &mut decisions),
            Phase::Saving(_) => self.stop_after_saving(reason),
            // The stop is looked at when this is done.
            Phase::Evaluating { .. } | Phase::Over(_) => {}
        }
        self.settle(now, &mut decisions);
        decisions
    }

    /// Ends a run that cannot go on, once the newest state is saved.
    pub fn fail(&mut self, now: Duration, reason: &str) -> Vec<Decision> {
        let mut decisions = Vec::new();
        if !matches!(self.phase, Phase::Over(_)) {
            let now = self.look_at_the_time(now);
            self.end(now, Outcome::Failed, reason, &mut decisions);
        }
        decisions
    }

    /// What the run is doing and why.
    #[must_use]
    pub fn status(&self) -> Status {
        let state = match &self.phase {
            _ if self.stop.is_some() && !matches!(self.phase, Phase::Over(_) | Phase::Saving(_)) => RunState::Stopping,
            Phase::Waiting if self.asked.pause.is_some() => RunState::Paused,
            Phase::Waiting => RunState::Waiting,
            Phase::Forming { .. } => RunState::Forming,
            Phase::Training { .. } => RunState::Training,
            Phase::Evaluating { .. } => RunState::Evaluating,
            Phase::Saving(_) => RunState::Saving,
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

    pub(crate) fn is_current(&self, worker: WorkerId, generation: u64) -> bool {
        generation == self.generation.number && self.generation.has(worker)
    }

    /// Generations whose states the run can go on from.
    pub(crate) fn lineages(&self) -> RangeInclusive<u64> {
        self.void.saturating_add(1)..=self.generation.number.max(self.last_known)
    }

    pub(crate) fn name(&self, worker: WorkerId) -> String {
        self.workers.get(&worker).map_or_else(|| format!("worker {worker}"), |worker| worker.name.clone())
    }

    pub(crate) fn steps(&self) -> u32 {
        self.options.course.steps().count()
    }

    /// Sends every member an order, made from its rank.
    pub(crate) fn to_all(&self, decisions: &mut Vec<Decision>, order: impl Fn(usize) -> Order) {
        for (rank, worker) in self.generation.members.iter().enumerate() {
            decisions.push(Decision::Send { worker: *worker, order: order(rank) });
        }
    }
}
