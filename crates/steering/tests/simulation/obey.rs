//! What members do of what they are ordered to: all of them together, as collectives make them.

use super::{Cluster, State, TEST_SAMPLES, Worker};
use plan::{ChunkResult, Chunks, Confusion, Totals, block};
use std::rc::Rc;
use steering::{Event, Failure, Order, Stretch, WorkerId};

impl Cluster {
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
    pub(super) fn commit(&mut self, committing: &[WorkerId]) -> Option<Rc<State>> {
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
}
