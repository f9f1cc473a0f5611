//! A cluster in which all but the state machine is made up. Workers obey, collectives fail, and a journal and a disk
//! outlive the coordinator. What the machine decides is held against the promises.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test uses a part of it")]

mod coming;
mod faults;
mod lines;
mod obey;
mod promises;
mod worker;

use plan::{Position, Totals};
use schedule::{LearningRate, Plateau, Schedule, Warmup};
use std::{collections::BTreeMap, rc::Rc, time::Duration};
use steering::{Course, Decision, Ending, EpochRecord, Event, Options, Order, Outcome, Start, Steering, WorkerId};
pub use worker::{Illness, State, Worker};

pub const EPOCHS: u32 = 3;
pub const STEPS: u32 = 4;
const TEST_SAMPLES: u32 = 200;

/// The most orders to one worker that follow from one moment: its queue is short.
const ORDERS: usize = 12;

/// The options of a run of `shards` shards, each of a few samples a step.
pub fn options(shards: u32) -> Options {
    // Each epoch without a better loss changes the rate, which must not be forgotten or done twice.
    let schedule = Schedule::Plateau(Plateau { factor: 0.5, patience: 0, ..Plateau::of_pytorch() });
    let course = Course {
        epochs: EPOCHS,
        batch_size: 2 * shards,
        shards,
        // The last step is a smaller one.
        train_samples: (2 * STEPS - 1) * shards,
        test_samples: TEST_SAMPLES,
        classes: 10,
        rate: LearningRate { lr: 0.1, schedule, warmup: Warmup::default() },
    };
    let failure_timeout = Duration::from_secs(10);
    Options { course, workers: 2, min_workers: 1, failure_timeout, checkpoint_every: Some(2) }
}

pub struct Cluster {
    pub steering: Steering,
    options: Options,
    pub workers: BTreeMap<WorkerId, Worker>,
    next: WorkerId,
    pub now: Duration,
    /// The last generation.
    pub generation: u64,
    /// The last generation that the journal knows.
    recorded: u64,
    /// States of generations up to this one are void, by the journal.
    void: u64,
    pub members: Vec<WorkerId>,
    pub ending: Option<Ending>,
    /// The recorded epochs, as the journal has them.
    pub epochs: Vec<EpochRecord>,
    /// States that came in, by the order that they were sent for.
    arrived: BTreeMap<(u64, Position), Rc<State>>,
    /// Checkpoints that are not on disk yet.
    writing: Vec<Rc<State>>,
    /// For how many advances nothing more comes to the disk.
    pub stalled: u32,
    /// Reports of workers whose lines stand still, and for how many advances they do.
    late: BTreeMap<WorkerId, (u32, Vec<Event>)>,
    /// Whether the next checkpoint cannot be written.
    pub full: bool,
    /// The newest checkpoint that could not be written, while others held its state.
    unwritten: Position,
    /// The newest checkpoint on disk.
    pub disk: Option<Rc<State>>,
    /// Whether a worker came that gives no state.
    withheld: bool,
    /// Until when every upload breaks.
    breaking: Duration,
    /// The longest that the machine took to decide.
    pub longest: Duration,
    /// What the machine told people.
    pub notes: Vec<String>,
}

impl Cluster {
    pub fn new(options: Options) -> Self {
        let start = Start::fresh(options.course.rate.lr);
        Self {
            steering: Steering::new(options.clone(), start),
            options,
            workers: BTreeMap::new(),
            next: 1,
            now: Duration::ZERO,
            generation: 0,
            recorded: 0,
            void: 0,
            members: Vec::new(),
            ending: None,
            epochs: Vec::new(),
            arrived: BTreeMap::new(),
            writing: Vec::new(),
            stalled: 0,
            late: BTreeMap::new(),
            full: false,
            unwritten: Position::default(),
            disk: None,
            withheld: false,
            breaking: Duration::ZERO,
            longest: Duration::ZERO,
            notes: Vec::new(),
        }
    }

    fn shards(&self) -> u32 {
        self.options.course.shards
    }

    pub fn handle(&mut self, worker: WorkerId, event: Event) {
        self.handle_all(vec![(worker, event)]);
    }

    /// Handles all of `events` in one moment.
    pub fn handle_all(&mut self, events: Vec<(WorkerId, Event)>) {
        if self.ending.is_some() {
            return;
        }
        let events: Vec<_> = events.into_iter().filter_map(|(worker, event)| self.on_its_way(worker, event)).collect();
        self.now += Duration::from_millis(1);
        let (now, began) = (self.now, std::time::Instant::now());
        let decisions = self.steering.handle_all(events.into_iter().map(|(worker, event)| (now, worker, event)));
        self.longest = self.longest.max(began.elapsed());
        self.carry_out(decisions);
    }

    pub fn tick(&mut self) {
        let began = std::time::Instant::now();
        let decisions = self.steering.tick(self.now);
        self.longest = self.longest.max(began.elapsed());
        self.carry_out(decisions);
        if self.is_training() && self.steering.members() == self.members {
            self.assert_leavers_may_go();
        }
    }

    pub fn stop(&mut self) {
        let decisions = self.steering.stop(self.now, "a person asked");
        self.carry_out(decisions);
    }

    pub fn pause(&mut self) {
        let decisions = self.steering.pause(self.now, "a person wants quiet");
        self.carry_out(decisions.unwrap_or_default());
    }

    pub fn resume(&mut self) {
        let decisions = self.steering.resume(self.now);
        self.carry_out(decisions);
    }

    pub fn save_now(&mut self) {
        let decisions = self.steering.save_now(self.now);
        self.carry_out(decisions.unwrap_or_default());
    }

    pub fn carry_out(&mut self, decisions: Vec<Decision>) {
        let mut orders: BTreeMap<WorkerId, usize> = BTreeMap::new();
        for decision in decisions {
            assert!(self.ending.is_none(), "a decision after the end: {decision:?}");
            match decision {
                Decision::Send { worker, order } => {
                    let count = orders.entry(worker).or_default();
                    *count += 1;
                    assert!(*count <= ORDERS, "{count} orders in one moment: {order:?}");
                    self.send(worker, order);
                }
                Decision::Generation { generation, members, .. } => {
                    assert!(generation > self.recorded, "generations only grow");
                    self.recorded = generation;
                    assert!(!members.is_empty() && members.len() <= self.shards() as usize);
                    self.generation = generation;
                    self.members = self.steering.members().to_vec();
                }
                Decision::Epoch(record) => {
                    assert_eq!(record.epoch as usize, self.epochs.len(), "epochs come in their order, each once");
                    let samples = u64::from(self.options.course.train_samples);
                    assert_eq!((record.train_images, record.confusion.images()), (samples, u64::from(TEST_SAMPLES)));
                    self.epochs.push(*record);
                }
                Decision::Rewind { epoch } => self.epochs.truncate(epoch as usize),
                Decision::Void { generation, .. } => self.void = generation,
                Decision::Checkpoint { upload, held, position, .. } => {
                    let mut state = State::clone(&self.arrived[&(upload, held)]);
                    assert_eq!(state.taint, 0, "what is saved is right: {:#?}; {:?}", self.notes, self.workers);
                    if position.step == 0 {
                        state.totals = Totals::default();
                    }
                    state.at = position;
                    // One is being written; only the newest waits for that.
                    if self.writing.len() > 1
                        && let Some(left_out) = self.writing.pop()
                    {
                        self.steering.not_checkpointed(left_out.at);
                    }
                    self.writing.push(Rc::new(state));
                }
                Decision::Drop { worker, .. } => {
                    self.workers.remove(&worker);
                }
                Decision::Note(text) | Decision::Warning(text) => self.notes.push(text),
                Decision::End(ending) => {
                    self.ending = Some(ending);
                    self.assert_saved();
                }
            }
        }
        self.arrived.retain(|(upload, position), _| self.steering.wants(*upload, *position));
    }

    fn send(&mut self, worker: WorkerId, order: Order) {
        let of = match &order {
            Order::Form { generation, .. }
            | Order::Connect { generation, .. }
            | Order::Synchronise { generation, .. }
            | Order::Train { generation, .. }
            | Order::Halt { generation, .. }
            | Order::Evaluate { generation, .. } => Some(*generation),
            Order::Abort { generation, .. } => {
                assert!(*generation <= self.generation);
                None
            }
            Order::Attest { .. } | Order::Upload { .. } | Order::SetAside { .. } | Order::Dismiss { .. } => None,
        };
        assert!(of.is_none_or(|of| of == self.generation), "one generation is active at most: {order:?}");
        let now = self.now;
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
            Order::Attest { .. } | Order::Upload { .. } => known.tasks.push_back(order),
            Order::SetAside { pause, .. } => {
                known.prepared = false;
                known.aside_until = Some(now + pause);
            }
            Order::Dismiss { reason } => {
                let leaves = reason == "as asked";
                known.dismissed = Some(self.generation);
                known.orders.clear();
                if leaves {
                    // It goes at once.
                    self.assert_others_hold(worker);
                }
            }
            order => known.orders.push_back(order),
        }
    }

    /// Workers that asked to go, and were told that they may, go.
    pub fn let_leavers_go(&mut self) {
        let leavers: Vec<WorkerId> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.dismissed.is_some() && worker.tasks.is_empty() && !worker.is_mute())
            .map(|(id, _)| *id)
            .collect();
        for worker in leavers {
            self.detach(worker);
        }
    }

    /// Goes on with a stopped run, as the same command does: nobody is there at first. So it does with a run that lost
    /// its newest state in stopping, as the only holder did not give it.
    pub fn go_on_after_a_stop(&mut self) {
        let withheld = self.withheld;
        let goes_on = |ending: &Ending| match ending.outcome {
            Outcome::Stopped => true,
            Outcome::Failed => withheld && ending.reason.contains("could not be saved"),
            Outcome::Finished => false,
        };
        if self.ending.as_ref().is_some_and(goes_on) {
            self.ending = None;
            self.workers.clear();
            if let Some(state) = self.writing.pop() {
                self.disk = Some(state);
            }
            self.restart(0, 0);
        }
    }

    /// Lets some time pass in which all live workers are heard of.
    pub fn pass(&mut self, time: Duration) {
        const BEAT: Duration = Duration::from_millis(500);
        let end = self.now + time;
        while self.now < end && self.ending.is_none() {
            self.now += BEAT;
            for worker in self.workers.keys().copied().collect::<Vec<_>>() {
                let Some(known) = self.workers.get(&worker) else { continue };
                if known.is_mute() {
                    continue;
                }
                let event = known.sign_of_life(self.generation, self.epochs.len() as u32, self.now);
                self.handle(worker, event);
            }
            // What a worker does alone does not wait for the others.
            self.do_tasks();
            if self.ending.is_none() {
                self.tick();
            }
        }
    }

    /// Goes on until the run is over, for at most `most` advances.
    pub fn finish(&mut self, most: u32) {
        // Some are waited for until it is clear that they do nothing.
        const LONG: u32 = 30;
        let mut idle = 0;
        for _ in 0..most {
            self.go_on_after_a_stop();
            if self.ending.is_some() {
                break;
            }
            self.resume();
            self.let_leavers_go();
            self.prepare_all();
            // A stop that was asked for takes the workers along.
            let healthy = |cluster: &Self| cluster.workers.values().filter(|worker| worker.illness.is_none()).count();
            while healthy(self) < self.options.workers && self.ending.is_none() {
                self.attach();
            }
            idle = if self.advance() { 0 } else { (idle + 1).min(LONG) };
            self.pass(idle * Duration::from_secs(1));
        }
        for state in std::mem::take(&mut self.writing) {
            self.disk = Some(state);
        }
    }
}
