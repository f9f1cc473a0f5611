//! Carrying out what the state machine decides, in its order: what is recorded is recorded before workers are told.

use crate::{
    Error,
    helm::{Helm, SaveJob, report},
    journal::Entry,
};
use std::sync::Arc;
use steering::{Decision, WorkerId};
use tonic::Status;

impl Helm {
    /// Does what was decided.
    ///
    /// # Errors
    /// If the journal is damaged, or something of the run cannot be recorded.
    pub(super) fn carry_out(&mut self, decisions: Vec<Decision>) -> Result<(), Error> {
        for decision in decisions {
            match decision {
                Decision::Send { worker, order } => self.send(worker, order),
                Decision::Drop { worker, reason, corrupt } => {
                    if let Some(attachment) = self.attachments.remove(&worker) {
                        let status = if corrupt { Status::data_loss } else { Status::deadline_exceeded };
                        let status = status(format!("given up: {reason}"));
                        // It is given up whether it hears of it or not.
                        let _ = attachment.orders.try_send(Err(status));
                    }
                }
                Decision::Generation { generation, members, reason } => {
                    tracing::info!("generation {generation} of {}: {reason}", members.join(", "));
                    self.states.clear();
                    self.workers = members.len();
                    self.records.keep(Entry::Generation { generation, members, reason })?;
                }
                Decision::Rewind { epoch } => {
                    self.note(&format!("going on from epoch {}: what came after is done again", epoch + 1))?;
                    self.records.rewind(epoch, self.steering.history())?;
                }
                Decision::Epoch(record) => {
                    self.records.epoch(&record, self.steering.history())?;
                    self.display.epoch(&record, self.config.epochs);
                    if let Some(note) = &record.note {
                        self.note(note)?;
                    }
                }
                Decision::Checkpoint { generation, held, position, schedule, evaluation } => {
                    if let Some(mut state) = self.states.remove(&(generation, held)) {
                        // Earlier ones were overtaken.
                        self.states.retain(|(_, position), _| *position > held);
                        if position.step == 0 {
                            state.totals = plan::Totals::default();
                        }
                        state.position = position;
                        let left_out = self.saver.save(SaveJob { state: Arc::new(state), schedule, evaluation });
                        if let Some(left_out) = left_out {
                            let at = left_out.state.position;
                            self.note(&format!("the disk does not keep up: no checkpoint of {at}, but a newer one"))?;
                        }
                    }
                }
                Decision::Note(text) => self.note(&text)?,
                Decision::End(ending) => self.ending = Some(ending),
            }
        }
        Ok(())
    }

    fn send(&mut self, worker: WorkerId, order: steering::Order) {
        let Some(attachment) = self.attachments.get(&worker) else { return };
        let rank = self.steering.rank_of(worker);
        let order = report::order(order, rank);
        if attachment.orders.try_send(Ok(order)).is_err() {
            tracing::warn!("{} takes no orders", attachment.hello.name);
            // Dropping the sender ends its stream, and that is noticed.
            self.attachments.remove(&worker);
        }
    }

    /// The orders among `decisions`, where the rest can no longer be recorded.
    pub(super) fn send_only(&mut self, decisions: Vec<Decision>) {
        for decision in decisions {
            if let Decision::Send { worker, order } = decision {
                self.send(worker, order);
            }
        }
    }
}
