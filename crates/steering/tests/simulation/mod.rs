//! A cluster in which all but the state machine is made up: workers that obey, collectives that fail, a journal and a disk
//! that outlive the coordinator. Whatever the machine decides is held against the promises.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test uses a part of it")]

use plan::{ChunkResult, Chunks, Confusion, Plateau, Position, RunConfig, Schedule, ScheduleState, Totals, block};
use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};
use steering::{
    Decision, Ending, EpochRecord, Event, Failure, Options, Order, Outcome, Start, Steering, Stretch, WorkerId,
};

pub const EPOCHS: u32 = 3;
pub const STEPS: u32 = 4;
const TEST_SAMPLES: u32 = 600;

/// A run of that many shards, of some samples each.
pub fn options(shards: u32) -> Options {
    let config = RunConfig {
        epochs: EPOCHS,
        batch_size: 2 * shards,
        shards,
        schedule: Schedule::Plateau(Plateau::default()),
        // The last step is a smaller one.
        train_samples: (2 * STEPS - 1) * shards,
        test_samples: TEST_SAMPLES,
        ..RunConfig::default()
    };
    let failure_timeout = Duration::from_secs(10);
    Options { config, workers: 2, min_workers: 1, failure_timeout, checkpoint_every: Some(2) }
}

/// What a worker holds, with all that it ever went through: a state in which a step were missing, or done twice, would show
/// it for the rest of the run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub at: Position,
    pub totals: Totals,
    pub steps: Vec<(u32, u32)>,
}

impl State {
    fn digest(&self) -> u64 {
        self.steps.iter().fold(1, |digest, (epoch, step)| digest * 31 + u64::from(*epoch) * 7 + u64::from(*step))
    }
}

/// A worker as the machine sees it: it obeys at once, but what it does takes steps of the simulation.
#[derive(Default)]
pub struct Worker {
    pub held: Option<Rc<State>>,
    /// The last one that it was told of.
    generation: u64,
    orders: VecDeque<Order>,
    halt: Option<(u64, u32)>,
    pulse: u64,
}

pub struct Cluster {
    pub steering: Steering,
    options: Options,
    pub workers: BTreeMap<WorkerId, Worker>,
    next: WorkerId,
    pub now: Duration,
    /// The last one.
    pub generation: u64,
    /// The last one that the journal knows.
    recorded: u64,
    pub members: Vec<WorkerId>,
    pub ending: Option<Ending>,
    /// As the journal has them.
    pub epochs: Vec<EpochRecord>,
    /// States that came in.
    arrived: BTreeMap<(u64, Position), Rc<State>>,
    /// Checkpoints that are not on disk yet.
    writing: Vec<Rc<State>>,
    /// The newest one that is.
    pub disk: Option<Rc<State>>,
    /// The longest that the machine took to decide.
    pub longest: Duration,
}

impl Cluster {
    pub fn new(options: Options) -> Self {
        let start = Start::fresh(&options.config);
        Self {
            steering: Steering::new(options.clone(), start),
            options,
            workers: BTreeMap::new(),
            next: 1,
            now: Duration::ZERO,
            generation: 0,
            recorded: 0,
            members: Vec::new(),
            ending: None,
            epochs: Vec::new(),
            arrived: BTreeMap::new(),
            writing: Vec::new(),
            disk: None,
            longest: Duration::ZERO,
        }
    }

    fn shards(&self) -> u32 {
        self.options.config.shards
    }

    pub fn handle(&mut self, worker: WorkerId, event: Event) {
        self.now += Duration::from_millis(1);
        let began = std::time::Instant::now();
        let decisions = self.steering.handle(self.now, worker, event);
        self.longest = self.longest.max(began.elapsed());
        self.carry_out(decisions);
    }

    pub fn tick(&mut self) {
        let began = std::time::Instant::now();
        let decisions = self.steering.tick(self.now);
        self.longest = self.longest.max(began.elapsed());
        self.carry_out(decisions);
    }

    pub fn stop(&mut self) {
        let decisions = self.steering.stop("a person asked");
        self.carry_out(decisions);
    }

    pub fn carry_out(&mut self, decisions: Vec<Decision>) {
        for decision in decisions {
            assert!(self.ending.is_none(), "a decision after the end: {decision:?}");
            match decision {
                Decision::Send { worker, order } => self.send(worker, order),
                Decision::Generation { generation, members, .. } => {
                    assert!(generation > self.recorded, "generations only grow");
                    self.recorded = generation;
                    assert!(!members.is_empty() && members.len() <= self.shards() as usize);
                    self.generation = generation;
                    self.members = self.steering.members().to_vec();
                }
                Decision::Epoch(record) => {
                    assert_eq!(record.epoch as usize, self.epochs.len(), "epochs come in their order, each once");
                    let samples = u64::from(self.options.config.train_samples);
                    assert_eq!((record.train_images, record.confusion.images()), (samples, u64::from(TEST_SAMPLES)));
                    self.epochs.push(*record);
                }
                Decision::Rewind { epoch } => self.epochs.truncate(epoch as usize),
                Decision::Checkpoint { generation, held, position, .. } => {
                    let mut state = State::clone(&self.arrived[&(generation, held)]);
                    if position.step == 0 {
                        state.totals = Totals::default();
                    }
                    state.at = position;
                    self.writing.push(Rc::new(state));
                }
                Decision::Drop { worker, .. } => {
                    self.workers.remove(&worker);
                }
                Decision::Note(_) => {}
                Decision::End(ending) => self.ending = Some(ending),
            }
        }
    }

    fn send(&mut self, worker: WorkerId, order: Order) {
        let of = match &order {
            Order::Form { generation, .. }
            | Order::Connect { generation, .. }
            | Order::Synchronise { generation, .. }
            | Order::Train { generation, .. }
            | Order::Halt { generation, .. }
            | Order::Evaluate { generation, .. }
            | Order::Upload { generation } => Some(*generation),
            Order::Abort { generation, .. } => {
                assert!(*generation <= self.generation);
                None
            }
            Order::Dismiss { .. } => None,
        };
        assert!(of.is_none_or(|of| of == self.generation), "one generation is active at most: {order:?}");
        let Some(known) = self.workers.get_mut(&worker) else { return };
        match order {
            Order::Abort { .. } => known.orders.clear(),
            Order::Halt { generation, epoch, .. } => known.halt = Some((generation, epoch)),
            Order::Form { generation, .. } => {
                assert!(generation > known.generation, "generations only grow");
                known.generation = generation;
                known.orders.clear();
                known.orders.push_back(order);
            }
            order => known.orders.push_back(order),
        }
    }

    pub fn attach(&mut self) {
        let worker = self.next;
        self.next += 1;
        self.workers.insert(worker, Worker::default());
        self.greet(worker);
    }

    fn greet(&mut self, worker: WorkerId) {
        let (name, host) = (format!("w{worker}"), "127.0.0.1".to_owned());
        let known = &self.workers[&worker];
        let (held, generation) = (known.held.as_ref().map(|state| state.at), known.generation);
        self.handle(worker, Event::Attached { name, host, held, generation });
    }

    pub fn detach(&mut self, worker: WorkerId) {
        if self.workers.remove(&worker).is_some() {
            self.handle(worker, Event::Detached { cause: "killed".to_owned() });
        }
    }

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

    /// Whether the members are about to do a step together.
    pub fn is_training(&self) -> bool {
        let training = |member| {
            let worker: Option<&Worker> = self.workers.get(member);
            worker.is_some_and(|worker| matches!(worker.orders.front(), Some(Order::Train { .. })))
        };
        !self.members.is_empty() && self.members.iter().all(training)
    }

    /// Whether every member lives.
    fn whole(&self) -> bool {
        self.members.iter().all(|member| self.workers.contains_key(member))
    }

    /// All members do their next order together, as collectives make them. Returns whether there was any.
    pub fn advance(&mut self) -> bool {
        for state in std::mem::take(&mut self.writing) {
            self.steering.checkpointed("newest".to_owned(), state.at, state.totals);
            self.disk = Some(state);
        }
        let members = self.members.clone();
        let generation = self.generation;
        let Some(next) = members.iter().find_map(|member| self.workers.get(member)?.orders.front().cloned()) else {
            return false;
        };
        match next {
            Order::Form { .. } => {
                self.pop(&members);
                if let Some(first) = members.first().filter(|first| self.workers.contains_key(first)) {
                    self.handle(*first, Event::StoreOpened { generation, port: 1 });
                }
            }
            Order::Connect { .. } if self.whole() => {
                for member in &members {
                    self.pop(&[*member]);
                    let Some(worker) = self.workers.get(member) else { continue };
                    let held = worker.held.as_ref().map(|state| state.at);
                    let totals = worker.held.as_ref().map(|state| state.totals).unwrap_or_default();
                    self.handle(*member, Event::Ready { generation, held, totals });
                }
            }
            Order::Synchronise { source_rank, initial, checkpoint, .. } if self.whole() => {
                let state = match (initial, checkpoint) {
                    (true, _) => Some(Rc::default()),
                    (_, Some(_)) => self.disk.clone(),
                    _ => self.workers[&members[source_rank as usize]].held.clone(),
                };
                let at = state.as_ref().unwrap().at;
                let known = members.iter().filter_map(|member| self.workers[member].held.as_ref());
                // What belongs to a course that was given up is of no use.
                let mut known = known.chain(&self.disk).filter(|known| known.at.epoch as usize <= self.epochs.len());
                assert!(known.all(|known| known.at <= at), "no step that is committed is done again");
                self.pop(&members);
                for member in &members {
                    self.workers.get_mut(member).unwrap().held.clone_from(&state);
                }
            }
            Order::Train { .. } if self.whole() => self.train_step(&members, generation),
            Order::Evaluate { .. } if self.whole() => {
                let all = Chunks::new(TEST_SAMPLES);
                for (rank, member) in members.iter().enumerate() {
                    self.pop(&[*member]);
                    if !self.is_member(*member, generation) {
                        continue;
                    }
                    let results = block(all.count(), members.len() as u32, rank as u32)
                        .map(|chunk| {
                            let mut confusion = Confusion::default();
                            all.images(chunk).for_each(|image| confusion.count(image as usize % 10, 0));
                            ChunkResult { chunk, loss: 1.0, confusion }
                        })
                        .collect();
                    self.handle(*member, Event::Evaluated { generation, results });
                }
            }
            Order::Upload { .. } => {
                self.pop(&members[..1]);
                self.upload(members[0], generation);
            }
            Order::Dismiss { .. } => self.pop(&members),
            // A collective with a dead rank in it fails on the others.
            _ => self.fail(&members, generation),
        }
        true
    }

    fn pop(&mut self, members: &[WorkerId]) {
        for member in members {
            if let Some(worker) = self.workers.get_mut(member) {
                worker.orders.pop_front();
            }
        }
    }

    fn upload(&mut self, member: WorkerId, generation: u64) {
        if let Some(state) = self.workers.get(&member).and_then(|worker| worker.held.clone()) {
            let position = state.at;
            self.arrived.insert((generation, position), state);
            self.handle(member, Event::StateArrived { generation, position });
        }
    }

    /// One of those that live reports that its collective failed.
    pub fn fail(&mut self, members: &[WorkerId], generation: u64) {
        if let Some(survivor) = members.iter().copied().find(|member| self.workers.contains_key(member)) {
            let failure = Failure { message: "connection closed".to_owned(), fatal: false };
            self.handle(survivor, Event::Failed { generation, failure });
        }
    }

    fn is_member(&self, worker: WorkerId, generation: u64) -> bool {
        self.steering.generation() == generation && self.steering.rank_of(worker).is_some()
    }

    /// The members in `committing`, of all in the generation, commit their next step. The orders that are done go.
    fn commit(&mut self, committing: &[WorkerId]) -> Option<Rc<State>> {
        let (steps, count) = (self.options.config.steps(), self.shards());
        let first = self.members.first().copied()?;
        let Some(Order::Train { from, .. }) = self.workers.get(&first)?.orders.front().cloned() else { return None };
        let held = self.workers[&first].held.clone().unwrap();
        for member in &self.members {
            assert_eq!(self.workers[member].held.as_ref(), Some(&held), "all hold the same");
        }
        // Every shard is some member's, and only one's.
        let world = self.members.len() as u32;
        let parts = (0..world).flat_map(|rank| block(count, world, rank));
        assert!(parts.eq(0..count));
        let mut state = State::clone(&held);
        if from.step == 0 && held.at.epoch + 1 == from.epoch && held.at.step == steps.count() {
            (state.at, state.totals) = (from, Totals::default());
        }
        let at = state.at;
        assert!(at >= from && at.epoch == from.epoch, "ordered to train from {from} at {}", held.at);
        state.totals.samples += u64::from(steps.samples_of(at.step).len() as u32);
        state.steps.push((at.epoch, at.step));
        state.at.step += 1;
        let generation = self.generation;
        let halted = self.members.iter().any(|m| self.workers[m].halt == Some((generation, at.epoch)));
        let over = halted || state.at.step == steps.count();
        let state = Rc::new(state);
        for member in committing {
            if let Some(worker) = self.workers.get_mut(member) {
                worker.held = Some(Rc::clone(&state));
                worker.pulse += 1;
                if over {
                    worker.orders.pop_front();
                }
            }
        }
        Some(state)
    }

    /// One step of a Train order, which stays in front until the epoch is over or halted.
    fn train_step(&mut self, members: &[WorkerId], generation: u64) {
        let Some(Order::Train { digest_every, save_every, .. }) = self.workers[&members[0]].orders.front().cloned()
        else {
            return;
        };
        let before = self.workers[&members[0]].held.clone().unwrap().totals.samples;
        let Some(state) = self.commit(members) else { return };
        let (position, totals) = (state.at, state.totals);
        let done = position.step == self.options.config.steps().count();
        let over = self.workers[&members[0]].orders.front().is_none();
        let stretch = Stretch { seconds: 1.0, images: totals.samples.saturating_sub(before) };
        let save = !done && save_every.is_some_and(|every| position.step.is_multiple_of(every));
        for (rank, member) in members.iter().enumerate() {
            let Some(pulse) = self.workers.get(member).map(|worker| worker.pulse) else { continue };
            if save || done || position.step.is_multiple_of(digest_every) {
                self.handle(*member, Event::Digest { generation, position, digest: state.digest() });
            }
            if save && rank == 0 {
                self.upload(*member, generation);
            }
            let event = if done {
                Event::EpochDone { generation, totals, stretch }
            } else if over {
                Event::Halted { generation, position, totals, stretch }
            } else {
                Event::Progress { generation, position, pulse, waiting: false, compute: 0.1 }
            };
            self.handle(*member, event);
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

    /// Those that asked to go, and are told that they may, go.
    pub fn let_leavers_go(&mut self) {
        let leavers: Vec<WorkerId> = self
            .steering
            .workers()
            .iter()
            .filter(|(id, worker)| worker.leaving && self.steering.rank_of(**id).is_none())
            .map(|(id, _)| *id)
            .collect();
        for worker in leavers {
            self.detach(worker);
        }
    }

    /// A run that was stopped is gone on with by the same command: nobody is there at first.
    pub fn go_on_after_a_stop(&mut self) {
        if self.ending.as_ref().is_some_and(|ending| ending.outcome == Outcome::Stopped) {
            self.ending = None;
            self.workers.clear();
            if let Some(state) = self.writing.pop() {
                self.disk = Some(state);
            }
            self.restart(0, 0);
        }
    }

    /// Goes on until the run is over, for so many advances at the most.
    pub fn finish(&mut self, most: u32) {
        for _ in 0..most {
            self.go_on_after_a_stop();
            if self.ending.is_some() {
                break;
            }
            self.let_leavers_go();
            // A stop that was asked for takes the workers along.
            while self.workers.len() < self.options.workers && self.ending.is_none() {
                self.attach();
            }
            self.advance();
        }
        for state in std::mem::take(&mut self.writing) {
            self.disk = Some(state);
        }
    }

    /// Asserts that the run is over, that its last checkpoint has been through every step once and in order, and that
    /// every epoch was recorded.
    pub fn assert_finished(&self) {
        let outcome = self.ending.as_ref().map(|ending| ending.outcome);
        assert_eq!(outcome, Some(Outcome::Finished), "{}", self.steering.status().reason);
        let epochs: Vec<u32> = self.epochs.iter().map(|record| record.epoch).collect();
        assert_eq!(epochs, (0..EPOCHS).collect::<Vec<_>>());
        let state = self.disk.as_ref().unwrap();
        let steps: Vec<(u32, u32)> = (0..EPOCHS).flat_map(|epoch| (0..STEPS).map(move |step| (epoch, step))).collect();
        assert_eq!((state.at, &state.steps), (Position { epoch: EPOCHS, step: 0 }, &steps));
    }
}
