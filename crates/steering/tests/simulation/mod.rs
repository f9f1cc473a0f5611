//! A cluster in which all but the state machine is made up: workers that obey, collectives that fail, a journal and a disk
//! that outlive the coordinator. Whatever the machine decides is held against the promises.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test uses a part of it")]

mod faults;
mod obey;

use plan::{Plateau, Position, RunConfig, Schedule, Totals};
use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};
use steering::{Decision, Ending, EpochRecord, Event, Options, Order, Outcome, Start, Steering, WorkerId};

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
    /// Whether it has what it takes to train.
    prepared: bool,
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
                assert!(known.prepared, "nobody waits for one that prepares");
                known.generation = generation;
                known.orders.clear();
                known.orders.push_back(order);
            }
            order => known.orders.push_back(order),
        }
    }

    /// A worker comes that has all it needs.
    pub fn attach(&mut self) {
        let worker = self.attach_unprepared();
        self.prepare(worker);
    }

    /// A worker comes that has to get the data set first.
    pub fn attach_unprepared(&mut self) -> WorkerId {
        let worker = self.next;
        self.next += 1;
        self.workers.insert(worker, Worker::default());
        self.greet(worker);
        worker
    }

    pub fn prepare(&mut self, worker: WorkerId) {
        if let Some(known) = self.workers.get_mut(&worker) {
            known.prepared = true;
            self.handle(worker, Event::Prepared);
        }
    }

    pub fn prepare_all(&mut self) {
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            if self.ending.is_none() {
                self.prepare(worker);
            }
        }
    }

    fn greet(&mut self, worker: WorkerId) {
        let (name, host) = (format!("w{worker}"), "127.0.0.1".to_owned());
        let known = &self.workers[&worker];
        let (held, generation) = (known.held.as_ref().map(|state| state.at), known.generation);
        let prepared = known.prepared;
        self.handle(worker, Event::Attached { name, host, held, generation });
        if prepared {
            self.handle(worker, Event::Prepared);
        }
    }

    pub fn detach(&mut self, worker: WorkerId) {
        if self.workers.remove(&worker).is_some() {
            self.handle(worker, Event::Detached { cause: "killed".to_owned() });
        }
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
            self.prepare_all();
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
