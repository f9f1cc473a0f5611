//! The epoch loop: train, evaluate, decide, save.

use crate::{
    epoch::{EpochRecord, Stretch},
    order::{Decision, Order, Outcome},
    phase::{Arrival, Halt, Phase},
    steering::Steering,
    upload::Upload,
    worker::WorkerId,
};
use plan::{ChunkResult, Chunks, Evaluation, Position, Totals, block};
use schedule::Losses;
use std::{collections::BTreeSet, time::Duration};

/// Steps between two digests of the state. A digest takes at most a fiftieth of a step on a CPU. The more often it is
/// made, the more surely a worker with wrong memory is found before it is lost.
const DIGEST_EVERY: u32 = 10;

impl Steering {
    /// Goes on from `position`, where all members are.
    pub(crate) fn proceed(&mut self, now: Duration, position: Position, totals: Totals, decisions: &mut Vec<Decision>) {
        self.rewind_to(position, decisions);
        // Others have shown that they live and hold what those who leave hold.
        self.dismiss_leaving(decisions);
        if self.epochs_done() >= self.options.course.epochs {
            return self.next_epoch(now, decisions);
        }
        if let Some(stop) = self.stop.clone() {
            return self.end(now, Outcome::Stopped, &stop, decisions);
        }
        if position.step >= self.steps() {
            if self.epochs_done() <= position.epoch {
                return self.evaluate(now, position.epoch, totals, decisions);
            }
            return self.next_epoch(now, decisions);
        }
        self.train(now, position, decisions);
    }

    /// Forgets what was recorded of epochs that are to be done again from `position`.
    fn rewind_to(&mut self, position: Position, decisions: &mut Vec<Decision>) {
        let complete = position.step >= self.steps();
        let before = self.history.len();
        self.history.retain(|record| record.epoch < position.epoch || (complete && record.epoch == position.epoch));
        if self.history.len() < before {
            decisions.push(Decision::Rewind { epoch: self.epochs_done() });
        }
    }

    fn next_epoch(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        let epoch = self.epochs_done();
        if epoch >= self.options.course.epochs {
            return self.end(now, Outcome::Finished, &format!("all {epoch} epochs are done"), decisions);
        }
        self.epoch_began = Some(self.clock.wall());
        self.generation.stretch = Stretch::default();
        self.train(now, Position { epoch, step: 0 }, decisions);
    }

    fn train(&mut self, now: Duration, from: Position, decisions: &mut Vec<Decision>) {
        self.epoch_began.get_or_insert(self.clock.wall());
        let in_passing = self.order_in_passing();
        self.generation.in_passing = in_passing;
        // Any member's state would do.
        let sender = self.best_sender(&self.generation.members).and_then(|sender| self.generation.rank_of(sender));
        let (generation, course) = (self.generation.number, &self.options.course);
        let rates = match course.rate.of_epoch(self.schedule(), course.span()) {
            Ok(rates) => rates,
            Err(error) => {
                let reason = format!("{error} in epoch {}: the schedule gives no other", from.epoch + 1);
                return self.end(now, Outcome::Failed, &reason, decisions);
            }
        };
        self.phase = Phase::Training { epoch: from.epoch, halt: None, arrived: BTreeSet::new() };
        self.generation.halted = None;
        self.reason = format!("training epoch {} of {}", from.epoch + 1, course.epochs);
        let save_every = self.options.checkpoint_every;
        self.to_all(decisions, |rank| Order::Train {
            generation,
            from,
            rates: rates.clone(),
            digest_every: DIGEST_EVERY,
            save_every,
            upload: in_passing.filter(|_| Some(rank) == sender),
        });
        for member in &self.generation.members {
            if let Some(worker) = self.workers.get_mut(member) {
                worker.worked = true;
                worker.step_began = now;
            }
        }
        self.generation.stepped = now;
        // Workers that came while the generation was formed or the test set evaluated.
        if self.has_room(now, |_| true) {
            self.halt(Halt::Reform, "a worker came", decisions);
        }
    }

    pub(crate) fn halt(&mut self, why: Halt, text: &str, decisions: &mut Vec<Decision>) {
        let Phase::Training { epoch, halt, .. } = &mut self.phase else { return };
        let (epoch, first) = (*epoch, halt.is_none());
        // A stop outweighs a change of members.
        if first || why == Halt::Stop {
            *halt = Some(why);
            self.reason = format!("stopping after the step in progress: {text}");
        }
        if first {
            let generation = self.generation.number;
            self.generation.halted = Some(self.clock.time(self.clock.wall(), self.options.failure_timeout));
            self.to_all(decisions, |_| Order::Halt { generation, epoch, reason: text.to_owned() });
        }
    }

    pub(crate) fn halted(
        &mut self,
        now: Duration,
        worker: WorkerId,
        position: Position,
        stretch: Stretch,
        decisions: &mut Vec<Decision>,
    ) {
        let Phase::Training { epoch, .. } = self.phase else { return };
        if position.epoch != epoch || position.step > self.steps() {
            let message = format!("it stopped at {position}, which is not in the epoch in progress");
            return self.fail_of_its_own(now, worker, &message, decisions);
        }
        self.comes_to_an_end(now, worker, position);
        let Phase::Training { halt, arrived, .. } = &mut self.phase else { return };
        let first = arrived.is_empty();
        arrived.insert(worker);
        let (halt, all) = (*halt, arrived.len() >= self.generation.members.len());
        if first {
            self.generation.stretch.add(stretch);
        }
        // All hold the same state after the step. Each has reported its digest before, also one that leaves now.
        match (halt, self.stop.clone()) {
            _ if !all => {}
            (Some(Halt::Stop), Some(stop)) => self.end(now, Outcome::Stopped, &stop, decisions),
            _ => self.reform(&self.why_halted()),
        }
    }

    /// A member has reached the end of what it was ordered to train.
    fn comes_to_an_end(&mut self, now: Duration, worker: WorkerId, position: Position) {
        if let Some(known) = self.workers.get_mut(&worker) {
            known.position = position;
            if let Some(reached) = &mut known.reached {
                reached.position = position;
            }
        }
        self.committed(now, worker);
    }

    pub(crate) fn epoch_trained(
        &mut self,
        now: Duration,
        worker: WorkerId,
        trained: u32,
        (totals, stretch): (Totals, Stretch),
        decisions: &mut Vec<Decision>,
    ) {
        // Some members report while the others evaluate already.
        let (Phase::Training { epoch, .. } | Phase::Evaluating { epoch, .. }) = self.phase else { return };
        if trained < epoch {
            // Its report came so late that the others are further: they did not need it.
            return;
        }
        if trained > epoch {
            let message = format!("it says that it trained epoch {trained}, and epoch {epoch} is in progress");
            return self.fail_of_its_own(now, worker, &message, decisions);
        }
        let samples = u64::from(self.options.course.train_samples);
        if totals.samples != samples {
            let message = format!("it says that the epoch had {} samples instead of {samples}", totals.samples);
            return self.fail_of_its_own(now, worker, &message, decisions);
        }
        self.comes_to_an_end(now, worker, Position { epoch, step: self.steps() });
        let Phase::Training { arrived, .. } = &mut self.phase else { return };
        let first = arrived.is_empty();
        arrived.insert(worker);
        let all = arrived.len() >= self.generation.members.len();
        if first {
            self.generation.stretch.add(stretch);
        }
        match self.stop.clone() {
            Some(stop) if all => self.end(now, Outcome::Stopped, &stop, decisions),
            Some(_) => {}
            None => self.evaluate(now, epoch, totals, decisions),
        }
    }

    fn evaluate(&mut self, now: Duration, epoch: u32, totals: Totals, decisions: &mut Vec<Decision>) {
        let Some(sender) = self.best_sender(&self.generation.members) else { return };
        let evaluation = Evaluation::new(self.options.course.test_samples, self.options.course.classes);
        self.epoch_began.get_or_insert(self.clock.wall());
        let state = Arrival::Coming(self.ask_for_state(now, sender, decisions));
        self.phase = Phase::Evaluating { epoch, totals, evaluation, state };
        self.reason = format!("evaluating epoch {} of {}", epoch + 1, self.options.course.epochs);
        for member in &self.generation.members {
            if let Some(worker) = self.workers.get_mut(member) {
                worker.evaluated = now;
            }
        }
        let (generation, world) = (self.generation.number, self.generation.members.len() as u32);
        let chunks = Chunks::new(self.options.course.test_samples).count();
        self.to_all(decisions, |rank| Order::Evaluate { generation, epoch, chunks: block(chunks, world, rank as u32) });
    }

    pub(crate) fn evaluated(
        &mut self,
        now: Duration,
        worker: WorkerId,
        of: u32,
        results: Vec<ChunkResult>,
        decisions: &mut Vec<Decision>,
    ) {
        let Some(rank) = self.generation.rank_of(worker) else { return };
        let Phase::Evaluating { epoch, .. } = &self.phase else { return };
        if of != *epoch {
            // Nothing of it was needed.
            return;
        }
        // A single one may be faulty. If another one comes to the same, the run has diverged.
        if let Some(result) = results.iter().find(|result| !result.loss.is_finite())
            && !self.has_diverged(worker)
        {
            let message = format!(
                "its part of the test loss became {}: it is sick, or training has diverged, which the others will find as well",
                result.loss
            );
            return self.fail_of_its_own(now, worker, &message, decisions);
        }
        let own: Vec<u32> = self.part(rank).collect();
        if let Some(known) = self.workers.get_mut(&worker).filter(|_| !results.is_empty()) {
            known.evaluated = now;
        }
        let Phase::Evaluating { evaluation, .. } = &mut self.phase else { return };
        for result in results {
            let wrong = if own.contains(&result.chunk) {
                evaluation.insert(result).err().map(|error| error.to_string())
            } else {
                Some(format!("chunk {} was not its own", result.chunk))
            };
            if let Some(wrong) = wrong {
                let message = format!("its evaluation does not add up: {wrong}");
                return self.fail_of_its_own(now, worker, &message, decisions);
            }
        }
        self.finish_epoch(now, decisions);
    }

    pub(crate) fn state_arrived(
        &mut self,
        now: Duration,
        upload: u64,
        (position, digest): (Position, u64),
        decisions: &mut Vec<Decision>,
    ) {
        if self.saved_state_arrived(now, upload, (position, digest), decisions) {
            return;
        }
        match &mut self.phase {
            Phase::Evaluating { epoch, state, .. } => {
                let end = Position { epoch: *epoch, step: self.options.course.steps().count() };
                if let Arrival::Coming(by) = state
                    && by.id == upload
                {
                    if position == end {
                        let by = by.clone();
                        *state = Arrival::Here { upload, digest, by: by.clone() };
                        self.has_sent(now, &by);
                        return self.finish_epoch(now, decisions);
                    }
                    return self.upload_failed(now, upload, &format!("it sent the state of {position}"), decisions);
                }
                self.state_in_passing(upload, (position, digest), decisions);
            }
            Phase::Training { .. } => self.state_in_passing(upload, (position, digest), decisions),
            _ => {}
        }
    }

    pub(crate) fn upload_failed(&mut self, now: Duration, upload: u64, cause: &str, decisions: &mut Vec<Decision>) {
        if self.saved_state_failed(now, upload, cause, decisions) {
            return;
        }
        let Phase::Evaluating { state: Arrival::Coming(failed) | Arrival::Here { by: failed, .. }, .. } = &self.phase
        else {
            return;
        };
        if failed.id != upload {
            return;
        }
        let failed = failed.clone();
        let name = failed.name.clone();
        let members = self.generation.members.clone();
        // All members hold it, so training waits for it only as long as for a worker.
        let again = self.ask_again(now, &failed, &members, self.options.failure_timeout);
        let what = if again.is_some() { "asking again" } else { "there is no checkpoint of this epoch" };
        decisions.push(Decision::Warning(format!("the state of {name} did not come: {cause}; {what}")));
        if let Phase::Evaluating { state, .. } = &mut self.phase {
            *state = again.map_or(Arrival::Missing, Arrival::Coming);
        }
        self.order_upload(now, decisions);
        self.finish_epoch(now, decisions);
    }

    /// The upload that is waited for.
    pub(crate) fn upload_mut(&mut self) -> Option<&mut Upload> {
        if let Phase::Evaluating { state: Arrival::Coming(_), .. } = &self.phase {
            let Phase::Evaluating { state: Arrival::Coming(upload), .. } = &mut self.phase else { return None };
            return Some(upload);
        }
        self.saving_upload()
    }

    /// Asks another member for a state that does not come.
    pub(crate) fn watch_upload(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        let timeout = self.options.failure_timeout;
        self.order_upload(now, decisions);
        let Phase::Evaluating { state: Arrival::Coming(upload), .. } = &self.phase else { return };
        let patience = self.workers.get(&upload.worker).map_or(timeout, |worker| worker.patience(timeout));
        if upload.is_late(now, patience) {
            let (id, cause) = (upload.id, format!("nothing came for {} s", patience.as_secs_f64()));
            self.upload_failed(now, id, &cause, decisions);
        }
    }

    /// Records the epoch and goes on, once the test set is evaluated, all agree on the state, and that has come.
    pub(crate) fn finish_epoch(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        let Phase::Evaluating { epoch, totals, evaluation, state } = &self.phase else { return };
        let end = Position { epoch: *epoch, step: self.options.course.steps().count() };
        let Some(agreed) = self.agreed(end) else { return };
        let here = match state {
            Arrival::Coming(_) => return,
            Arrival::Here { upload, digest, .. } => Some((*upload, *digest)),
            Arrival::Missing => None,
        };
        if let Some((upload, _)) = here.filter(|(_, digest)| *digest != agreed) {
            let cause = "what came is not the state on which all agreed";
            return self.upload_failed(now, upload, cause, decisions);
        }
        if !evaluation.is_complete() {
            return;
        }
        let (epoch, totals) = (*epoch, *totals);
        let (test_loss, confusion) = evaluation.result();
        let course = &self.options.course;
        let mut schedule = self.schedule().clone();
        let rates = course.rate.of_epoch(&schedule, course.span());
        let losses = Losses { train: totals.mean_loss().unwrap_or(f64::NAN), test: test_loss };
        let note = course.rate.finish_epoch(&mut schedule, course.span(), losses);
        let test_accuracy = confusion.correct() as f64 / confusion.images().max(1) as f64;
        let stretch = self.generation.stretch;
        let record = EpochRecord {
            epoch,
            train_loss: losses.train,
            train_accuracy: totals.accuracy().unwrap_or(0.0),
            train_images: totals.samples,
            test_loss,
            test_accuracy,
            confusion,
            lr: rates.map_or(f64::NAN, |rates| rates.last()),
            seconds: self.epoch_began.take().map_or(0.0, |began| self.clock.wall().saturating_sub(began).as_secs_f64()),
            train_seconds: stretch.seconds,
            images_per_second: stretch.images_per_second(),
            note,
            schedule: schedule.clone(),
        };
        self.history.push(record.clone());
        decisions.push(Decision::Epoch(Box::new(record)));
        if !test_loss.is_finite() {
            // Its figures are recorded, but its state is not saved: the newest checkpoint is an earlier one.
            let reason = format!(
                "training has diverged: the test loss of epoch {} is {test_loss}; begin another run with a lower --lr",
                epoch + 1
            );
            return self.end_unsaved(now, Outcome::Failed, &reason, decisions);
        }
        if let Some((upload, _)) = here {
            let position = Position { epoch: epoch + 1, step: 0 };
            self.pending.insert(position);
            let evaluation = Some((test_loss, test_accuracy));
            decisions.push(Decision::Checkpoint { upload, held: end, position, schedule, evaluation });
        }
        let leaving = self.generation.members.iter().any(|id| self.workers.get(id).is_some_and(|w| w.leaving));
        // The checkpoint of the epoch is the one that was asked for, if there is one.
        self.asked.save &= here.is_none();
        let changes = leaving || self.asked.save || self.asked.pause.is_some();
        match self.stop.clone() {
            Some(stop) if epoch + 1 < course.epochs => self.end(now, Outcome::Stopped, &stop, decisions),
            _ if changes && epoch + 1 < course.epochs => self.reform(&self.why_halted()),
            _ => self.next_epoch(now, decisions),
        }
    }
}
