//! The state machine under invented histories: workers that come, go, fail and obey, in any order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use plan::{ChunkResult, Chunks, Confusion, Plateau, Position, RunConfig, Schedule, Totals, block};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use steering::{Decision, Ending, Event, Failure, Options, Order, Outcome, Start, Steering, Stretch, WorkerId};

const SHARDS: u32 = 4;

fn options() -> Options {
    let config = RunConfig {
        epochs: 3,
        batch_size: 8,
        shards: SHARDS,
        schedule: Schedule::Plateau(Plateau::default()),
        train_samples: 30,
        test_samples: 600,
        ..RunConfig::default()
    };
    Options { config, workers: 2, min_workers: 1, failure_timeout: Duration::from_secs(10), checkpoint_every: None }
}

/// A worker as the machine sees it: it obeys at once, but what it does takes steps of the simulation.
#[derive(Default)]
struct Worker {
    held: Option<Position>,
    totals: Totals,
    orders: VecDeque<Order>,
    halt: Option<(u64, u32)>,
}

struct Cluster {
    steering: Steering,
    workers: BTreeMap<WorkerId, Worker>,
    next: WorkerId,
    now: Duration,
    generation: u64,
    members: Vec<WorkerId>,
    ending: Option<Ending>,
    epochs: Vec<u32>,
    /// Each committed step, with the generation that committed it first.
    committed: BTreeMap<(u32, u32), u64>,
    saved: Option<Position>,
}

impl Cluster {
    fn new() -> Self {
        let options = options();
        let start = Start::fresh(&options.config);
        Self {
            steering: Steering::new(options, start),
            workers: BTreeMap::new(),
            next: 1,
            now: Duration::ZERO,
            generation: 0,
            members: Vec::new(),
            ending: None,
            epochs: Vec::new(),
            committed: BTreeMap::new(),
            saved: None,
        }
    }

    fn handle(&mut self, worker: WorkerId, event: Event) {
        self.now += Duration::from_millis(1);
        let decisions = self.steering.handle(self.now, worker, event);
        self.carry_out(decisions);
    }

    fn carry_out(&mut self, decisions: Vec<Decision>) {
        for decision in decisions {
            assert!(self.ending.is_none(), "a decision after the end: {decision:?}");
            match decision {
                Decision::Send { worker, order } => {
                    let Some(known) = self.workers.get_mut(&worker) else { continue };
                    match order {
                        Order::Abort { .. } => known.orders.clear(),
                        Order::Halt { generation, epoch, .. } => known.halt = Some((generation, epoch)),
                        Order::Form { .. } => {
                            known.orders.clear();
                            known.orders.push_back(order);
                        }
                        order => known.orders.push_back(order),
                    }
                }
                Decision::Generation { generation, members, .. } => {
                    assert!(generation > self.generation, "generations only grow");
                    assert!(!members.is_empty() && members.len() <= SHARDS as usize);
                    self.generation = generation;
                    self.members = self.steering.members().to_vec();
                }
                Decision::Epoch(record) => {
                    assert_eq!(record.epoch as usize, self.epochs.len(), "epochs come in their order, each once");
                    assert_eq!((record.train_images, record.confusion.images()), (30, 600));
                    self.epochs.push(record.epoch);
                }
                Decision::Rewind { epoch } => self.epochs.truncate(epoch as usize),
                Decision::Checkpoint { position, .. } => self.saved = Some(position),
                Decision::Drop { worker, .. } => {
                    self.workers.remove(&worker);
                }
                Decision::Note(_) => {}
                Decision::End(ending) => self.ending = Some(ending),
            }
        }
    }

    fn attach(&mut self) {
        let worker = self.next;
        self.next += 1;
        self.workers.insert(worker, Worker::default());
        let (name, host) = (format!("w{worker}"), "127.0.0.1".to_owned());
        self.handle(worker, Event::Attached { name, host, held: None });
    }

    fn detach(&mut self, worker: WorkerId) {
        if self.workers.remove(&worker).is_some() {
            self.handle(worker, Event::Detached { cause: "killed".to_owned() });
        }
    }

    /// All members do their next order together, as collectives make them. Returns whether there was any.
    fn advance(&mut self) -> bool {
        let members = self.members.clone();
        let generation = self.generation;
        let alive = members.iter().all(|member| self.workers.contains_key(member));
        let Some(next) = members.iter().find_map(|member| self.workers.get(member)?.orders.front().cloned()) else {
            return false;
        };
        let one = |cluster: &mut Self, member: WorkerId| {
            cluster.workers.get_mut(&member).and_then(|worker| worker.orders.pop_front())
        };
        match next {
            Order::Form { .. } => {
                for member in &members {
                    one(self, *member);
                }
                if let Some(first) = members.first().filter(|first| self.workers.contains_key(first)) {
                    self.handle(*first, Event::StoreOpened { generation, port: 1 });
                }
            }
            Order::Connect { .. } if alive => {
                for member in &members {
                    one(self, *member);
                    let Some(worker) = self.workers.get(member) else { continue };
                    let (held, totals) = (worker.held, worker.totals);
                    self.handle(*member, Event::Ready { generation, held, totals });
                }
            }
            Order::Synchronise { source_rank, initial, .. } if alive => {
                let source = &self.workers[&members[source_rank as usize]];
                let (held, totals) =
                    if initial { (Some(Position::default()), Totals::default()) } else { (source.held, source.totals) };
                for member in &members {
                    one(self, *member);
                    if let Some(worker) = self.workers.get_mut(member) {
                        (worker.held, worker.totals) = (held, totals);
                    }
                }
            }
            Order::Train { from, .. } if alive => self.train_step(&members, generation, from),
            Order::Evaluate { chunks, .. } if alive => {
                let all = Chunks::new(600);
                let _ = chunks;
                for (rank, member) in members.iter().enumerate() {
                    if one(self, *member).is_none() || !self.is_member(*member, generation) {
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
                let first = members[0];
                one(self, first);
                if let Some(position) = self.workers.get(&first).and_then(|worker| worker.held) {
                    self.handle(first, Event::StateArrived { generation, position });
                }
            }
            Order::Dismiss { .. } => {
                for member in members {
                    one(self, member);
                }
            }
            _ => {
                // A collective with a dead rank in it fails on the others.
                let survivor = members.iter().copied().find(|member| self.workers.contains_key(member));
                if let Some(survivor) = survivor {
                    let failure = Failure { message: "connection closed".to_owned(), fatal: false };
                    self.handle(survivor, Event::Failed { generation, failure });
                }
            }
        }
        true
    }

    fn is_member(&self, worker: WorkerId, generation: u64) -> bool {
        self.steering.generation() == generation && self.steering.members().contains(&worker)
    }

    /// One step of a Train order, which stays in front until the epoch is over or halted.
    fn train_step(&mut self, members: &[WorkerId], generation: u64, from: Position) {
        let steps = options().config.steps();
        let held = self.workers[&members[0]].held.unwrap();
        let mut totals = self.workers[&members[0]].totals;
        let mut at = held;
        if from.step == 0 && held.epoch + 1 == from.epoch && held.step == steps.count() {
            (at, totals) = (from, Totals::default());
        }
        assert!(at >= from && at.epoch == from.epoch, "ordered to train from {from} at {held}");
        let samples = steps.samples_of(at.step).len() as u64;
        totals.samples += samples;
        let first = *self.committed.entry((at.epoch, at.step)).or_insert(generation);
        assert!(first <= generation);
        let position = Position { epoch: at.epoch, step: at.step + 1 };
        let halted = members.iter().any(|m| self.workers[m].halt == Some((generation, at.epoch)));
        let done = position.step == steps.count();
        let stretch = Stretch { seconds: 1.0, images: samples };
        for member in members {
            let Some(worker) = self.workers.get_mut(member) else { continue };
            (worker.held, worker.totals) = (Some(position), totals);
            if done || halted {
                worker.orders.pop_front();
            }
        }
        for member in members {
            let event = if done {
                Event::EpochDone { generation, totals, stretch }
            } else if halted {
                Event::Halted { generation, position, totals, stretch }
            } else {
                Event::Progress { generation, position, pulse: u64::from(position.step), waiting: false, compute: 0.1 }
            };
            self.handle(*member, event);
        }
    }
}

#[derive(Debug, Clone)]
enum Action {
    Advance,
    Attach,
    Kill(usize),
    Leave(usize),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        12 => Just(Action::Advance),
        2 => Just(Action::Attach),
        2 => any::<usize>().prop_map(Action::Kill),
        1 => any::<usize>().prop_map(Action::Leave),
    ];
    proptest::collection::vec(action, 0..150)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever happens, the run ends when workers come back, with each epoch recorded once and in its order.
    #[test]
    fn a_run_ends_with_every_epoch_counted_once(actions in actions()) {
        let mut cluster = Cluster::new();
        for action in actions {
            if cluster.ending.is_some() {
                break;
            }
            let pick = |index: usize| cluster.workers.keys().copied().nth(index % cluster.workers.len().max(1));
            match action {
                Action::Advance => {
                    cluster.advance();
                }
                Action::Attach if cluster.workers.len() < 8 => cluster.attach(),
                Action::Attach => {}
                Action::Kill(index) => {
                    if let Some(worker) = pick(index) {
                        cluster.detach(worker);
                    }
                }
                Action::Leave(index) => {
                    if let Some(worker) = pick(index) {
                        cluster.handle(worker, Event::Leaving { reason: "asked".to_owned() });
                    }
                }
            }
        }
        // Two that stay.
        for _ in 0..2 {
            if cluster.ending.is_none() {
                cluster.attach();
            }
        }
        for _ in 0..500 {
            if cluster.ending.is_some() {
                break;
            }
            // Those that asked to go are dismissed and go.
            let leavers: Vec<_> = cluster.steering.workers().iter().filter(|(id, worker)| {
                worker.leaving && !cluster.steering.members().contains(id)
            }).map(|(id, _)| *id).collect();
            for worker in leavers {
                cluster.detach(worker);
            }
            cluster.advance();
        }
        let ending = cluster.ending.clone();
        prop_assert_eq!(ending.map(|ending| ending.outcome), Some(Outcome::Finished), "{}", cluster.steering.status().reason);
        prop_assert_eq!(&cluster.epochs, &[0, 1, 2]);
        let steps: BTreeSet<(u32, u32)> = (0..3).flat_map(|epoch| (0..4).map(move |step| (epoch, step))).collect();
        prop_assert_eq!(cluster.committed.keys().copied().collect::<BTreeSet<_>>(), steps);
        prop_assert_eq!(cluster.saved, Some(Position { epoch: 3, step: 0 }));
    }
}

#[test]
fn a_stop_saves_after_the_step_in_progress() {
    let mut cluster = Cluster::new();
    cluster.attach();
    cluster.attach();
    // Form, connect, synchronise, two steps.
    for _ in 0..5 {
        assert!(cluster.advance());
    }
    let decisions = cluster.steering.stop("a person asked");
    cluster.carry_out(decisions);
    while cluster.ending.is_none() {
        assert!(cluster.advance());
    }
    assert_eq!(cluster.saved, Some(Position { epoch: 0, step: 3 }));
    assert_eq!(cluster.ending.unwrap().outcome, Outcome::Stopped);
}

/// A sign of life of a worker whose engine has done `pulse` things.
fn alive(generation: u64, pulse: u64, waiting: bool) -> Event {
    Event::Progress { generation, position: Position { epoch: 0, step: 1 }, pulse, waiting, compute: 0.1 }
}

/// Two workers that train, and then 11 s in which both are heard of, with these pulses and waits in the end.
fn after_a_while(workers: [(u64, bool); 2]) -> Cluster {
    let mut cluster = Cluster::new();
    cluster.attach();
    cluster.attach();
    // Form, connect, synchronise, a step.
    for _ in 0..4 {
        assert!(cluster.advance());
    }
    for (worker, (_, waiting)) in [1, 2].into_iter().zip(workers) {
        cluster.handle(worker, alive(1, 1, waiting));
    }
    for _ in 0..11 {
        cluster.now += Duration::from_secs(1);
        for (worker, (pulse, waiting)) in [1, 2].into_iter().zip(workers) {
            cluster.handle(worker, alive(1, pulse, waiting));
        }
        let decisions = cluster.steering.tick(cluster.now);
        cluster.carry_out(decisions);
    }
    cluster
}

#[test]
fn a_worker_that_lives_and_does_nothing_is_given_up_by_name() {
    // The second is stuck; the first waits for it.
    let cluster = after_a_while([(1, true), (1, false)]);
    assert_eq!(cluster.steering.workers().keys().collect::<Vec<_>>(), [&1]);
    let kind = &cluster.steering.recoveries()[0].kind;
    assert!(kind.starts_with("w2 lost: no progress for 10"), "{kind}");
    assert_eq!(cluster.steering.generation(), 2);
}

#[test]
fn workers_that_all_wait_form_a_new_generation() {
    let cluster = after_a_while([(1, true), (1, true)]);
    assert_eq!((cluster.steering.workers().len(), cluster.steering.generation()), (2, 2));
    assert!(cluster.steering.status().reason.contains("has waited for the others"));
}

#[test]
fn a_silent_worker_is_given_up_by_name() {
    let mut cluster = Cluster::new();
    cluster.attach();
    cluster.attach();
    cluster.now += Duration::from_secs(11);
    // One speaks; the other does not.
    cluster.handle(1, alive(0, 7, false));
    let decisions = cluster.steering.tick(cluster.now);
    let dropped: Vec<_> = decisions.iter().filter(|d| matches!(d, Decision::Drop { worker: 2, .. })).collect();
    assert_eq!(dropped.len(), 1, "{decisions:?}");
    assert!(cluster.steering.recoveries()[0].kind.starts_with("w2 lost: silent for 11"));
}

#[test]
fn a_straggler_is_named_once() {
    let mut cluster = Cluster::new();
    (0..3).for_each(|_| cluster.attach());
    while !cluster.steering.status().reason.starts_with("training") {
        assert!(cluster.advance());
    }
    let mut notes = Vec::new();
    for pulse in 1..30 {
        cluster.now += Duration::from_secs(1);
        let generation = cluster.generation;
        // Four shards: the last of three has two of them and may take twice as long.
        for (worker, compute) in [(1, 0.5), (2, 0.2), (3, 0.4)] {
            let (position, waiting) = (Position { epoch: 0, step: 1 }, false);
            cluster.handle(worker, Event::Progress { generation, position, pulse, waiting, compute });
        }
        notes.extend(cluster.steering.tick(cluster.now));
    }
    assert_eq!(notes.len(), 1, "{notes:?}");
    let expected = "w1 is slow: a shard takes it 0.500 s, and the others 0.200 s; all wait for it";
    assert_eq!(notes[0], Decision::Note(expected.to_owned()));
}

#[test]
fn too_few_workers_are_waited_for_in_words() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.steering.status().reason, "waiting for 2 of 2 workers");
    cluster.attach();
    assert_eq!(cluster.generation, 0);
}
