//! A cluster in which all but the state machine is made up: workers that obey, collectives that fail, a journal and a disk
//! that outlive the coordinator. Whatever the machine decides is held against the promises.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test uses a part of it")]

mod faults;
mod obey;
mod worker;

use plan::{Plateau, Position, RunConfig, Schedule, Totals};
use std::{collections::BTreeMap, rc::Rc, time::Duration};
use steering::{Decision, Ending, EpochRecord, Event, Options, Order, Outcome, Start, Steering, WorkerId};
pub use worker::{Illness, State, Worker};

pub const EPOCHS: u32 = 3;
pub const STEPS: u32 = 4;
const TEST_SAMPLES: u32 = 200;

/// Orders to one worker that follow from one moment at most: its queue is short.
const ORDERS: usize = 12;

/// A run of that many shards, of some samples each.
pub fn options(shards: u32) -> Options {
    let config = RunConfig {
        epochs: EPOCHS,
        batch_size: 2 * shards,
        shards,
        // Each epoch without a better loss changes the rate, which must not be forgotten or done twice.
        schedule: Schedule::Plateau(Plateau { factor: 0.5, patience: 0, ..Plateau::default() }),
        // The last step is a smaller one.
        train_samples: (2 * STEPS - 1) * shards,
        test_samples: TEST_SAMPLES,
        ..RunConfig::default()
    };
    let failure_timeout = Duration::from_secs(10);
    Options { config, workers: 2, min_workers: 1, failure_timeout, checkpoint_every: Some(2) }
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
    /// States of generations up to this one are void, by the journal.
    void: u64,
    pub members: Vec<WorkerId>,
    pub ending: Option<Ending>,
    /// As the journal has them.
    pub epochs: Vec<EpochRecord>,
    /// States that came in, by the order that they were sent for.
    arrived: BTreeMap<(u64, Position), Rc<State>>,
    /// Checkpoints that are not on disk yet.
    writing: Vec<Rc<State>>,
    /// Advances for which nothing more comes to the disk.
    pub stalled: u32,
    /// Words of workers whose lines stand still, and for how many advances they do.
    late: BTreeMap<WorkerId, (u32, Vec<Event>)>,
    /// Whether the next checkpoint cannot be written.
    pub full: bool,
    /// The newest one that could not be written, while others held it.
    unwritten: Position,
    /// The newest one that is.
    pub disk: Option<Rc<State>>,
    /// Until when every upload breaks.
    breaking: Duration,
    /// The longest that the machine took to decide.
    pub longest: Duration,
    /// What it told people.
    pub notes: Vec<String>,
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
            breaking: Duration::ZERO,
            longest: Duration::ZERO,
            notes: Vec::new(),
        }
    }

    fn shards(&self) -> u32 {
        self.options.config.shards
    }

    pub fn handle(&mut self, worker: WorkerId, event: Event) {
        self.handle_all(vec![(worker, event)]);
    }

    /// All of `events` in one moment.
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

    /// Nothing that a worker says comes for so many advances. States have connections of their own.
    pub fn stall_line(&mut self, worker: WorkerId, advances: u32) {
        self.late.entry(worker).or_insert((advances, Vec::new()));
    }

    /// What comes at once.
    fn on_its_way(&mut self, worker: WorkerId, event: Event) -> Option<(WorkerId, Event)> {
        let beside =
            matches!(event, Event::StateArrived { .. } | Event::UploadMoved { .. } | Event::UploadFailed { .. });
        match self.late.get_mut(&worker) {
            _ if matches!(event, Event::Detached { .. }) => self.late.remove(&worker).map_or((), drop),
            Some((_, words)) if !beside => {
                words.push(event);
                return None;
            }
            _ => {}
        }
        Some((worker, event))
    }

    /// Lines that stood still for long enough move again.
    fn let_lines_move(&mut self) {
        let mut over = Vec::new();
        for (worker, (advances, _)) in &mut self.late {
            *advances = advances.saturating_sub(1);
            if *advances == 0 {
                over.push(*worker);
            }
        }
        for worker in over {
            for event in self.late.remove(&worker).map(|(_, words)| words).unwrap_or_default() {
                self.handle(worker, event);
            }
        }
    }

    pub fn let_all_lines_move(&mut self) {
        self.late.values_mut().for_each(|(advances, _)| *advances = 1);
        self.let_lines_move();
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
                    let samples = u64::from(self.options.config.train_samples);
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

    /// Asserts that the newest state that anyone holds is saved, or on its way to the disk.
    fn assert_saved(&self) {
        let saved = self.writing.iter().chain(&self.disk).map(|state| self.reach(state)).max().unwrap_or_default();
        let heard = self.workers.iter().filter(|(id, worker)| !worker.is_mute() && !self.late.contains_key(id));
        let held = heard.filter_map(|(_, worker)| self.usable(worker));
        let newest = held.map(|state| self.reach(state)).max().unwrap_or_default();
        assert!(newest <= saved, "{saved} is saved, and {newest} is held: {:#?}; {:?}", self.notes, self.workers);
    }

    /// Asserts that what `leaver` holds does not go with it: it is saved, or another one holds as much that lives, or has shown
    /// in the generation that it does. Of steps that nobody has heard of only those are lost that others do again.
    fn assert_others_hold(&self, leaver: WorkerId) {
        // What does not come for a minute is given up.
        let hears = !self.workers[&leaver].is_mute() && !self.late.contains_key(&leaver);
        if self.ending.is_some() || self.breaking > self.now || !hears {
            return;
        }
        let held = |worker: &Worker| self.usable(worker).map(|state| self.reach(state));
        let Some(own) = held(&self.workers[&leaver]) else { return };
        let saved = self.writing.iter().chain(&self.disk).map(|state| self.reach(state)).max().unwrap_or_default();
        let generation = self.workers[&leaver].dismissed.unwrap_or_default();
        let has_shown = |worker: &Worker| worker.ready_in >= generation;
        let lives = |worker: &Worker| !worker.is_mute() || has_shown(worker);
        let others = self.workers.iter().filter(|(id, worker)| **id != leaver && lives(worker));
        let theirs = others.clone().filter_map(|(_, worker)| held(worker)).max().unwrap_or_default();
        let shown = others.filter(|(_, worker)| has_shown(worker)).filter_map(|(_, worker)| held(worker)).max();
        if shown.is_some() {
            return;
        }
        assert!(
            own <= saved.max(theirs).max(self.unwritten),
            "{own} goes with {leaver}, {saved} is saved: {:#?}; {:?}",
            self.notes,
            self.workers
        );
    }

    /// The state of a worker that the run could go on from.
    fn usable<'a>(&self, worker: &'a Worker) -> Option<&'a State> {
        let state = worker.held.as_deref()?;
        (state.at.epoch as usize <= self.epochs.len() && worker.lineage > self.void).then_some(state)
    }

    /// How far a state is: the end of a recorded epoch is the beginning of the next.
    fn reach(&self, state: &State) -> Position {
        let Position { epoch, step } = state.at;
        let recorded = (epoch as usize) < self.epochs.len();
        if step == STEPS && recorded { Position { epoch: epoch + 1, step: 0 } } else { state.at }
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

    /// A worker comes that has all it needs.
    pub fn attach(&mut self) {
        let worker = self.attach_unprepared();
        self.prepare(worker);
    }

    /// A worker comes that is ill.
    pub fn attach_ill(&mut self, illness: Illness) -> WorkerId {
        let worker = self.attach_unprepared();
        if let Some(known) = self.workers.get_mut(&worker) {
            known.illness = Some(illness);
        }
        self.prepare(worker);
        worker
    }

    /// A worker comes that has to get the data set first.
    pub fn attach_unprepared(&mut self) -> WorkerId {
        let worker = self.next;
        self.next += 1;
        self.workers.insert(worker, Worker::default());
        self.greet(worker);
        worker
    }

    /// A worker says once that it is prepared, until it is set aside or attaches anew.
    pub fn prepare(&mut self, worker: WorkerId) {
        let now = self.now;
        if let Some(known) = self.workers.get_mut(&worker)
            && !known.prepared
            && known.aside_until.is_none_or(|until| until <= now)
        {
            known.prepared = true;
            known.aside_until = None;
            self.handle(worker, Event::Prepared { stretch: Duration::from_millis(10) });
        }
    }

    pub fn prepare_all(&mut self) {
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            if self.ending.is_none() && self.workers.get(&worker).is_some_and(|worker| !worker.prepared) {
                self.prepare(worker);
            }
        }
    }

    fn greet(&mut self, worker: WorkerId) {
        let (name, host) = (format!("w{worker}"), "127.0.0.1".to_owned());
        let known = &self.workers[&worker];
        let (held, generation) = (known.description(), known.generation);
        let prepared = known.prepared;
        self.handle(worker, Event::Attached { name, host, held, generation });
        if prepared {
            self.handle(worker, Event::Prepared { stretch: Duration::from_millis(10) });
        }
    }

    pub fn detach(&mut self, worker: WorkerId) {
        self.detach_all(&[worker]);
    }

    /// Workers are killed, all in one moment.
    pub fn detach_all(&mut self, workers: &[WorkerId]) {
        let gone: Vec<WorkerId> =
            workers.iter().copied().filter(|worker| self.workers.remove(worker).is_some()).collect();
        let detached = |worker| (worker, Event::Detached { cause: "killed".to_owned() });
        self.handle_all(gone.into_iter().map(detached).collect());
    }

    /// Those that asked to go, and are told that they may, go.
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

    /// Lets some time pass in which all that live are heard of.
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
                let event = known.sign_of_life(self.generation);
                self.handle(worker, event);
            }
            // What a worker does alone does not wait for the others.
            self.do_tasks();
            if self.ending.is_none() {
                self.tick();
            }
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
            let healthy = |cluster: &Self| cluster.workers.values().filter(|worker| worker.illness.is_none()).count();
            while healthy(self) < self.options.workers && self.ending.is_none() {
                self.attach();
            }
            if !self.advance() {
                self.pass(Duration::from_secs(1));
            }
        }
        for state in std::mem::take(&mut self.writing) {
            self.disk = Some(state);
        }
    }

    /// Asserts that the run is over, that its last checkpoint has been through every step once and in order, and that
    /// every epoch was recorded.
    pub fn assert_finished(&self) {
        let outcome = self.ending.as_ref().map(|ending| ending.outcome);
        assert_eq!(outcome, Some(Outcome::Finished), "{:#?}", self.steering);
        let epochs: Vec<u32> = self.epochs.iter().map(|record| record.epoch).collect();
        assert_eq!(epochs, (0..EPOCHS).collect::<Vec<_>>());
        let state = self.disk.as_ref().unwrap();
        let steps: Vec<(u32, u32)> = (0..EPOCHS).flat_map(|epoch| (0..STEPS).map(move |step| (epoch, step))).collect();
        // The end of the last epoch has two names.
        let ends = [Position { epoch: EPOCHS, step: 0 }, Position { epoch: EPOCHS - 1, step: STEPS }];
        assert!(ends.contains(&state.at) && state.steps == steps, "{state:?}");
        assert_eq!(state.taint, 0);
    }
}
