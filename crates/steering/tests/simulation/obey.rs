//! What workers do of what they are ordered to: members all together, as collectives make them; the rest each alone.

use super::{Cluster, Illness, State, TEST_SAMPLES, Worker};
use plan::{Blame, ChunkResult, Chunks, Confusion, Position, Totals, block};
use std::{rc::Rc, time::Duration};
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
        self.members.iter().all(|member| self.workers.get(member).is_some_and(|worker| !worker.silent))
    }

    /// The member that has this illness, if others depend on it.
    fn ill(&self, illness: Illness) -> Option<WorkerId> {
        self.members.iter().copied().find(|member| self.workers.get(member).is_some_and(|w| w.illness == Some(illness)))
    }

    /// Whether a member says that it is ready without being so.
    pub(super) fn one_pretends(&self) -> bool {
        self.members.iter().any(|member| self.workers.get(member).is_some_and(Worker::pretends))
    }

    /// The disk takes down what it is to, unless it stalls. One that is full takes nothing.
    fn write(&mut self) {
        if self.stalled > 0 {
            self.stalled -= 1;
            return;
        }
        let writing = std::mem::take(&mut self.writing);
        let last = writing.len().saturating_sub(1);
        for (index, state) in writing.into_iter().enumerate() {
            if std::mem::take(&mut self.full) && self.ending.is_none() {
                if index < last || self.steering.held().is_some_and(|held| held >= state.at) {
                    self.steering.not_checkpointed(state.at);
                    self.unwritten = self.unwritten.max(state.at);
                } else {
                    // It is the only copy, and is tried again.
                    self.writing.push(state);
                }
                continue;
            }
            self.steering.checkpointed("newest".to_owned(), state.at, state.totals);
            self.disk = Some(state);
        }
    }

    /// Everyone does what it is to do alone, and all members their next order together. Returns whether there was any.
    pub fn advance(&mut self) -> bool {
        self.write();
        self.let_lines_move();
        let did = self.do_tasks();
        let members = self.members.clone();
        let next = members.iter().find_map(|member| self.workers.get(member)?.orders.front().cloned());
        next.is_some_and(|order| self.obey_together(&order, &members)) || did
    }

    /// The members do what `order`, their next one, asks of them. Returns whether anything came of it.
    fn obey_together(&mut self, order: &Order, members: &[WorkerId]) -> bool {
        let generation = self.generation;
        match *order {
            Order::Form { .. } => {
                self.pop(members);
                if let Some(first) = members.first().filter(|first| self.workers.contains_key(first)) {
                    self.handle(*first, Event::StoreOpened { generation, port: 1 });
                }
            }
            Order::Connect { .. } if self.ill(Illness::CannotConnect).is_some() => {
                self.fail_of_its_own(self.ill(Illness::CannotConnect), generation);
            }
            // Nothing comes of it until somebody loses patience.
            Order::Connect { .. } if members.len() > 1 && self.ill(Illness::Unreachable).is_some() => return false,
            Order::Connect { .. } if members.len() > 1 && self.one_pretends() => {
                self.pretend_to_be_ready(members);
                return false;
            }
            Order::Synchronise { .. } if self.ill(Illness::Starves).is_some() => {
                let failure = Failure { message: "the line broke".to_owned(), blame: Blame::Withheld };
                if let Some(starving) = self.ill(Illness::Starves) {
                    self.handle(starving, Event::Failed { generation, failure });
                }
            }
            Order::Train { .. } if self.one_pretends() => return false,
            Order::Train { .. } if self.ill(Illness::Ignores).is_some_and(|ill| self.is_halted(ill)) => return false,
            Order::Connect { .. } if self.whole() => self.connect(members),
            Order::Synchronise { .. } if self.whole() => self.synchronise(members, generation),
            Order::Train { .. } | Order::Evaluate { .. } if self.ill(Illness::Fails).is_some() => {
                self.fail_of_its_own(self.ill(Illness::Fails), generation);
            }
            Order::Train { .. } if self.ill(Illness::Dies).is_some() => {
                let ill = self.ill(Illness::Dies);
                if let Some(ill) = ill {
                    self.detach(ill);
                }
            }
            Order::Train { .. } if members.len() > 1 && self.ill(Illness::Breaks).is_some() => {
                self.fail(members, generation);
            }
            Order::Train { .. } if self.whole() => self.train_step(members, generation),
            Order::Evaluate { epoch, .. } if self.whole() => self.evaluate(members, generation, epoch),
            // A collective with a dead rank in it fails on the others; one with a silent rank in it takes its time.
            _ if self.members.iter().any(|member| self.workers.get(member).is_some_and(|w| w.silent)) => return false,
            _ => self.fail(members, generation),
        }
        true
    }

    /// Those of `members` that say so without being so are ready. The others wait for them.
    fn pretend_to_be_ready(&mut self, members: &[WorkerId]) {
        let generation = self.generation;
        let pretends = |id: &WorkerId| self.workers.get(id).is_some_and(Worker::pretends);
        for member in members.iter().copied().filter(pretends).collect::<Vec<_>>() {
            let Some(worker) = self.workers.get_mut(&member) else { continue };
            if matches!(worker.orders.front(), Some(Order::Connect { .. })) {
                worker.orders.pop_front();
                let held = worker.description().map(|held| (held, 42));
                self.handle(member, Event::Ready { generation, held });
            }
        }
    }

    /// All of `members` build a process group, and are ready.
    fn connect(&mut self, members: &[WorkerId]) {
        let generation = self.generation;
        for member in members {
            self.pop(&[*member]);
            let Some(worker) = self.workers.get_mut(member) else { continue };
            worker.ready_in = generation;
            let held = worker.description().map(|held| (held, worker.digest()));
            self.handle(*member, Event::Ready { generation, held });
        }
    }

    /// Whether `member` was told to stop in the epoch that it is in.
    fn is_halted(&self, member: WorkerId) -> bool {
        let Some(worker) = self.workers.get(&member) else { return false };
        let Some(Order::Train { from, .. }) = worker.orders.front() else { return false };
        worker.halt == Some((self.generation, from.epoch))
    }

    fn evaluate(&mut self, members: &[WorkerId], generation: u64, epoch: u32) {
        let all = Chunks::new(TEST_SAMPLES);
        for (rank, member) in members.iter().enumerate() {
            self.pop(&[*member]);
            if !self.is_member(*member, generation) {
                continue;
            }
            let illness = self.workers.get(member).and_then(|worker| worker.illness);
            if illness == Some(Illness::Lingers) {
                continue;
            }
            let lies = illness == Some(Illness::Lies);
            let results = block(all.count(), members.len() as u32, rank as u32)
                .map(|chunk| {
                    let mut confusion = Confusion::new(10);
                    all.images(chunk).for_each(|image| confusion.count(image as usize % 10, 0));
                    ChunkResult { chunk: if lies { chunk + 1 } else { chunk }, loss: 1.0, confusion }
                })
                .collect();
            self.handle(*member, Event::Evaluated { generation, epoch, results });
        }
    }

    /// What workers do beside their generation. Returns whether there was any.
    pub(super) fn do_tasks(&mut self) -> bool {
        let mut any = false;
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            let Some(known) = self.workers.get_mut(&worker) else { continue };
            if known.silent {
                continue;
            }
            match known.tasks.pop_front() {
                Some(Order::Attest { request, .. }) => {
                    known.orders.clear();
                    let denies = known.illness == Some(Illness::Withholds);
                    let held = known.description().map(|held| (held, known.digest())).filter(|_| !denies);
                    self.handle(worker, Event::Attested { request, held });
                }
                Some(Order::Upload { .. }) if known.illness == Some(Illness::Keeps) => {}
                Some(Order::Upload { upload }) => {
                    let gives = known.gives();
                    self.handle(worker, Event::UploadMoved { upload });
                    if self.breaking > self.now || !gives {
                        let cause = "the line broke".to_owned();
                        self.handle(worker, Event::UploadFailed { upload, cause });
                    } else {
                        self.upload(worker, upload);
                    }
                }
                _ => continue,
            }
            any = true;
        }
        any
    }

    pub(super) fn pop(&mut self, members: &[WorkerId]) {
        for member in members {
            if let Some(worker) = self.workers.get_mut(member) {
                worker.orders.pop_front();
            }
        }
    }

    fn upload(&mut self, member: WorkerId, upload: u64) {
        let Some(worker) = self.workers.get(&member).filter(|worker| worker.gives()) else { return };
        let Some(state) = worker.held.clone() else { return };
        let (position, digest) = (state.at, worker.digest());
        self.arrived.insert((upload, position), state);
        self.handle(member, Event::StateArrived { upload, position, digest });
    }

    /// The members take over the state of one of them.
    pub(super) fn synchronise(&mut self, members: &[WorkerId], generation: u64) {
        let all = members.to_vec();
        self.synchronise_some(members, &all, generation);
    }

    /// Of `members` only `receiving` come to the end of taking the state over. The others hold what they held.
    pub(super) fn synchronise_some(&mut self, members: &[WorkerId], receiving: &[WorkerId], generation: u64) {
        let Some(order) = members.iter().find_map(|member| self.workers.get(member)?.orders.front().cloned()) else {
            return;
        };
        let Order::Synchronise { source_rank, initial, checkpoint, .. } = order else { return };
        let source = &self.workers[&members[source_rank as usize]];
        let state = match (initial, &checkpoint) {
            (true, _) => Some(Rc::default()),
            (_, Some(_)) => self.disk.clone(),
            _ => source.held.clone(),
        };
        let mut state = State::clone(&state.unwrap());
        if !initial && checkpoint.is_none() && source.corrupt {
            // What was one worker's is everyone's now.
            state.taint += 1;
        }
        let at = self.reach(&state);
        let known = members.iter().filter_map(|member| self.usable(self.workers.get(member)?));
        let on_disk = self.disk.iter().chain(&self.writing).map(Rc::as_ref);
        let mut known = known.chain(on_disk.filter(|disk| disk.at.epoch as usize <= self.epochs.len()));
        assert!(known.all(|known| self.reach(known) <= at), "no step that is committed is done again");
        let state = Rc::new(state);
        self.pop(members);
        for member in receiving {
            if let Some(worker) = self.workers.get_mut(member) {
                worker.held = Some(Rc::clone(&state));
                worker.lineage = generation;
                worker.corrupt = false;
            }
        }
        for member in receiving {
            let Some(worker) = self.workers.get(member) else { continue };
            let (position, digest) = (state.at, worker.digest());
            self.handle(*member, Event::Digest { generation, position, digest });
        }
    }

    /// One of those that live reports that its collective failed.
    pub fn fail(&mut self, members: &[WorkerId], generation: u64) {
        let lives = |member: &WorkerId| self.workers.get(member).is_some_and(|worker| !worker.silent);
        if let Some(survivor) = members.iter().copied().find(lives) {
            let failure = Failure { message: "connection closed".to_owned(), blame: Blame::Suffered };
            self.handle(survivor, Event::Failed { generation, failure });
        }
    }

    /// A worker reports that it cannot go on.
    pub fn fail_of_its_own(&mut self, worker: Option<WorkerId>, generation: u64) {
        let Some(worker) = worker else { return };
        if let Some(known) = self.workers.get_mut(&worker) {
            known.orders.clear();
        }
        let failure = Failure { message: "CUDA error: an illegal memory access".to_owned(), blame: Blame::Own };
        self.handle(worker, Event::Failed { generation, failure });
    }

    fn is_member(&self, worker: WorkerId, generation: u64) -> bool {
        self.steering.generation() == generation && self.steering.rank_of(worker).is_some()
    }

    /// The members in `committing`, of all in the generation, commit their next step. The orders that are done go.
    pub(super) fn commit(&mut self, committing: &[WorkerId]) -> Option<Rc<State>> {
        let (steps, count) = (self.options.course.steps(), self.shards());
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
        // What a wrong worker computes goes into the sum.
        state.taint += u32::from(self.members.iter().any(|member| self.workers[member].corrupt));
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

    /// Asserts that whoever asked to go was told that it may, once the others have shown that they go on.
    pub(super) fn assert_leavers_may_go(&self) {
        let stays = |id: &WorkerId| self.steering.workers().get(id).is_some_and(|worker| !worker.leaving);
        if !self.late.is_empty() || !self.members.iter().any(stays) {
            return;
        }
        let known = |id: &WorkerId| self.steering.workers().get(id)?.reached.map(|reached| reached.position);
        let theirs = self.members.iter().filter_map(known).max();
        for (id, worker) in self.steering.workers() {
            let told = self.workers.get(id).is_none_or(|worker| worker.dismissed.is_some() || worker.is_mute());
            // The members may still be on their way to where it is.
            let fine = told || theirs < known(id) || self.members.contains(id);
            assert!(!worker.leaving || fine, "{id} may not go: {:#?}; {:?}", self.notes, self.steering.workers());
        }
    }

    /// One step of a Train order, which stays in front until the epoch is over or halted.
    fn train_step(&mut self, members: &[WorkerId], generation: u64) {
        let Some(Order::Train { digest_every, save_every, .. }) = self.workers[&members[0]].orders.front().cloned()
        else {
            return;
        };
        let uploads: Vec<Option<u64>> = members
            .iter()
            .map(|member| match self.workers[member].orders.front() {
                Some(Order::Train { upload, .. }) => *upload,
                _ => None,
            })
            .collect();
        let before = self.workers[&members[0]].held.clone().unwrap().totals.samples;
        let Some(state) = self.commit(members) else { return };
        let (position, totals) = (state.at, state.totals);
        let done = position.step == self.options.course.steps().count();
        let over = self.workers[&members[0]].orders.front().is_none();
        let stretch = Stretch { seconds: 1.0, images: totals.samples.saturating_sub(before) };
        let save = !done && save_every.is_some_and(|every| position.step.is_multiple_of(every));
        for (member, upload) in members.iter().zip(uploads) {
            let Some(worker) = self.workers.get(member) else { continue };
            let (pulse, digest) = (worker.pulse, worker.digest());
            let lies = worker.illness == Some(Illness::Lies);
            if save || done || over || position.step.is_multiple_of(digest_every) {
                self.handle(*member, Event::Digest { generation, position, digest });
            }
            if let Some(upload) = upload.filter(|_| save) {
                self.upload(*member, upload);
            }
            let beat = Duration::from_millis(10);
            let event = if done && lies {
                Event::EpochDone { generation, epoch: position.epoch, totals: Totals { samples: 7, ..totals }, stretch }
            } else if lies && over {
                Event::Halted { generation, position: Position { epoch: 9, step: 9 }, stretch }
            } else if lies {
                let position = Position { epoch: 9, step: u32::MAX };
                Event::Progress { generation, position, pulse, waiting: false, compute: f64::NAN, stretch: beat }
            } else if done {
                Event::EpochDone { generation, epoch: position.epoch, totals, stretch }
            } else if over {
                Event::Halted { generation, position, stretch }
            } else {
                Event::Progress { generation, position, pulse, waiting: false, compute: 0.1, stretch: beat }
            };
            self.handle(*member, event);
        }
    }
}
