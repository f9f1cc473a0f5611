//! Carrying out what the state machine decides, in its order: what is recorded is on disk before workers are told. Nothing
//! here waits for the disk: orders wait instead.

use crate::{
    helm::{
        Helm,
        backend::backend,
        order_message::order_message,
        orders,
        precision::PrecisionChoice,
        saver::{LeftOut, SaveJob},
    },
    journal::Entry,
};
use proto::v1;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use steering::{Decision, Event, Order, WorkerId};
use tonic::Status;

/// How long orders wait for a disk that is well.
const SLOW_DISK: Duration = Duration::from_millis(500);

/// An order that waits for what it depends on to be on disk.
pub(super) struct HeldBack {
    /// The number of the entry.
    after: u64,
    worker: WorkerId,
    order: v1::Order,
}

impl Helm {
    /// Does what was decided.
    pub(super) fn carry_out(&mut self, decisions: Vec<Decision>) {
        let mut place = None;
        for decision in decisions {
            match decision {
                Decision::Send { worker, order } => self.send(worker, order),
                Decision::Drop { worker, reason, corrupt } => {
                    self.tickets.revoke(worker);
                    if let Some(attachment) = self.attachments.remove(&worker) {
                        let status = if corrupt { Status::data_loss } else { Status::deadline_exceeded };
                        let status = status(format!("given up: {reason}"));
                        // It is given up whether it hears of it or not.
                        let _ = attachment.orders.put(Err(status));
                    }
                }
                Decision::Generation { generation, members, reason } => {
                    // What is decided before that is of the generation before.
                    place = Some(self.place());
                    tracing::info!("generation {generation} of {}: {reason}", members.join(", "));
                    self.tickets.end_generation();
                    self.workers = members.len();
                    self.choose_backend(&members);
                    self.spans.generation(generation, &members, &reason);
                    self.gate = self.recorder.record(Entry::Generation { generation, members, reason });
                }
                Decision::Rewind { epoch } => {
                    self.note(&format!("going on from epoch {}: what came after is done again", epoch + 1));
                    self.gate = self.recorder.record(Entry::Rewind { epoch });
                }
                Decision::Void { generation, reason } => {
                    tracing::warn!("{reason}");
                    self.recorder.record(Entry::Event(reason));
                    self.gate = self.recorder.record(Entry::Void { generation });
                }
                Decision::Epoch(record) => {
                    self.precision = PrecisionChoice::Fixed;
                    self.spans.epoch(&record);
                    self.gate = self.recorder.record(Entry::Epoch(record.clone()));
                    self.display.epoch(&view::records::epoch(&record), self.config.epochs);
                    if let Some(note) = &record.note {
                        self.note(note);
                    }
                }
                Decision::Checkpoint { upload, held, position, schedule, evaluation } => {
                    self.precision = PrecisionChoice::Fixed;
                    let Some(mut state) = self.states.remove(&(upload, held)) else {
                        // The machine decides on states that it was told of, and all of those are kept.
                        tracing::error!("the state of {held} that was to be saved is not there");
                        continue;
                    };
                    if position.step == 0 {
                        state.totals = plan::Totals::default();
                    }
                    state.position = position;
                    let left_out = self.saver.save(SaveJob { state: Arc::new(state), schedule, evaluation });
                    if let Some(LeftOut { position, first }) = left_out {
                        self.steering.not_checkpointed(position);
                        if first {
                            self.note(&format!(
                                "the disk does not keep up: no checkpoint of {position}, but a newer one"
                            ));
                        }
                    }
                }
                Decision::Note(text) => self.note(&text),
                Decision::Warning(text) => self.warn(&text),
                Decision::End(ending) => self.ending = Some(ending),
            }
        }
        drop(place);
        let steering = &self.steering;
        self.states.retain(|(upload, position), _| steering.wants(*upload, *position));
    }

    /// Decides what a generation of these members does collectives with.
    fn choose_backend(&mut self, members: &[String]) {
        let attached = self.attachments.values().map(|attachment| &attachment.hello);
        let (backend, why) = backend(attached.filter(|hello| members.contains(&hello.name)));
        if let Some(why) = why.filter(|_| backend != self.backend) {
            tracing::warn!("gradients go by way of Gloo and main memory: {why}");
        }
        self.backend = backend;
    }

    fn send(&mut self, worker: WorkerId, order: Order) {
        let ticket = match &order {
            Order::Upload { upload } => self.tickets.issue(*upload, worker, false),
            Order::Train { upload: Some(upload), .. } => self.tickets.issue(*upload, worker, true),
            Order::Synchronise { generation, source_rank, checkpoint: Some(_), .. }
                if self.steering.rank_of(worker) == Some(*source_rank) =>
            {
                self.tickets.issue_fetch(*generation)
            }
            _ => 0,
        };
        if let (Order::SetAside { .. }, Some(attachment)) = (&order, self.attachments.get_mut(&worker)) {
            attachment.prepared = false;
        }
        let order = order_message(order, self.steering.rank_of(worker), ticket, self.backend);
        if let Some(ended) = orders::ends(&order) {
            // It outweighs what waits, and depends on nothing.
            let of_ended = |held: &HeldBack| orders::generation_of(&held.order).is_some_and(|of| of <= ended);
            self.held_back.retain(|held| held.worker != worker || !of_ended(held));
            if self.held_back.is_empty() {
                self.held_since = None;
            }
            return self.send_now(worker, order);
        }
        if self.recorder.has(self.gate) && self.held_back.is_empty() {
            return self.send_now(worker, order);
        }
        self.held_back.push_back(HeldBack { after: self.gate, worker, order });
        self.held_since.get_or_insert_with(Instant::now);
    }

    /// Forgets the workers that take no orders.
    pub(super) fn forget_the_deaf(&mut self) {
        while !self.deaf.is_empty() {
            let (at, cause) = (self.now(), "it takes no orders");
            let deaf = std::mem::take(&mut self.deaf);
            for worker in &deaf {
                self.tickets.revoke(*worker);
            }
            let gone = deaf.into_iter().map(|worker| (at, worker, Event::Detached { cause: cause.to_owned() }));
            let decisions = self.steering.handle_all(gone);
            self.carry_out(decisions);
        }
    }

    /// Sends what waited for what is recorded by now.
    pub(super) fn send_what_may_go(&mut self) {
        while self.held_back.front().is_some_and(|held| self.recorder.has(held.after)) {
            if let Some(HeldBack { worker, order, .. }) = self.held_back.pop_front() {
                self.send_now(worker, order);
            }
        }
        if self.held_back.is_empty() {
            self.held_since = None;
        }
    }

    /// Whether orders have waited for the disk for so long that people should know.
    pub(super) fn waits_for_the_disk(&self) -> bool {
        !self.held_back.is_empty() && self.held_since.is_some_and(|since| since.elapsed() > SLOW_DISK)
    }

    fn send_now(&mut self, worker: WorkerId, order: v1::Order) {
        let Some(attachment) = self.attachments.get(&worker) else { return };
        if !attachment.orders.put(Ok(order)) {
            tracing::warn!("{} takes no orders", attachment.hello.name);
            // It may go on talking for ever.
            self.attachments.remove(&worker);
            self.deaf.push(worker);
        }
    }
}
