//! The epoch loop: train, evaluate, decide, save.

use crate::{
    Decision, EpochRecord, Order, Outcome, Steering, Stretch,
    phase::{Halt, Phase},
};
use plan::{ChunkResult, Chunks, Evaluation, Position, Totals, block};
use std::time::Duration;

/// Steps between two digests of the state: a digest costs about as much as a hundredth of a step.
const DIGEST_EVERY: u32 = 50;

impl Steering {
    /// Goes on from `position`, where all members are.
    pub(crate) fn proceed(&mut self, now: Duration, position: Position, totals: Totals, decisions: &mut Vec<Decision>) {
        self.rewind_to(position, decisions);
        if self.epochs_done() >= self.options.config.epochs {
            return self.next_epoch(now, decisions);
        }
        if let Some(stop) = self.stop.clone() {
            return self.save_and_stop(position, &stop, decisions);
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
        if epoch >= self.options.config.epochs {
            return self.end(Outcome::Finished, &format!("all {epoch} epochs are done"), decisions);
        }
        self.epoch_began = Some(now);
        self.generation.stretch = Stretch::default();
        self.train(now, Position { epoch, step: 0 }, decisions);
    }

    fn train(&mut self, now: Duration, from: Position, decisions: &mut Vec<Decision>) {
        self.epoch_began.get_or_insert(now);
        let (generation, config) = (self.generation.number, &self.options.config);
        let rates = self.schedule().rates(&config.schedule, config.lr, config.epochs, self.steps());
        self.phase = Phase::Training { epoch: from.epoch, halt: None };
        self.reason = format!("training epoch {} of {}", from.epoch + 1, config.epochs);
        let save_every = self.options.checkpoint_every;
        self.to_all(decisions, |_| Order::Train {
            generation,
            from,
            rates: rates.clone(),
            digest_every: DIGEST_EVERY,
            save_every,
        });
        // Workers that came while the generation was formed or the test set evaluated.
        if self.has_room() {
            self.halt(Halt::Reform, "a worker came", decisions);
        }
    }

    /// Whether a worker waits that a generation has a place for.
    fn has_room(&self) -> bool {
        let able = self.workers.values().filter(|worker| worker.is_able()).count();
        self.generation.members.len() < able.min(self.options.config.shards as usize)
    }

    pub(crate) fn halt(&mut self, why: Halt, text: &str, decisions: &mut Vec<Decision>) {
        let Phase::Training { epoch, halt } = &mut self.phase else { return };
        let (epoch, first) = (*epoch, halt.is_none());
        // A stop outweighs a change of members.
        if first || why == Halt::Stop {
            *halt = Some(why);
            self.reason = format!("stopping after the step in progress: {text}");
        }
        if first {
            let generation = self.generation.number;
            self.to_all(decisions, |_| Order::Halt { generation, epoch, reason: text.to_owned() });
        }
    }

    pub(crate) fn halted(
        &mut self,
        now: Duration,
        position: Position,
        _totals: Totals,
        stretch: Stretch,
        decisions: &mut Vec<Decision>,
    ) {
        // The first report of a generation counts; all of them say the same.
        let Phase::Training { halt, .. } = &self.phase else { return };
        let halt = *halt;
        self.generation.stretch.add(stretch);
        self.resumed(now);
        match (halt, self.stop.clone()) {
            (Some(Halt::Stop), Some(stop)) => self.save_and_stop(position, &stop, decisions),
            _ => self.reform(now, "the set of workers changes", decisions),
        }
    }

    /// Saves the state at `position` and ends the run.
    fn save_and_stop(&mut self, position: Position, reason: &str, decisions: &mut Vec<Decision>) {
        if self.checkpoint.as_ref().is_some_and(|(_, saved, _)| *saved == position) {
            return self.end(Outcome::Stopped, reason, decisions);
        }
        self.phase = Phase::Saving;
        self.reason = format!("saving at {position}: {reason}");
        self.upload(decisions);
    }

    fn upload(&self, decisions: &mut Vec<Decision>) {
        if let Some(first) = self.generation.members.first() {
            let order = Order::Upload { generation: self.generation.number };
            decisions.push(Decision::Send { worker: *first, order });
        }
    }

    pub(crate) fn epoch_trained(
        &mut self,
        now: Duration,
        totals: Totals,
        stretch: Stretch,
        decisions: &mut Vec<Decision>,
    ) {
        // The first report counts; all of them say the same.
        let Phase::Training { epoch, .. } = self.phase else { return };
        self.generation.stretch.add(stretch);
        self.fruitless = 0;
        self.resumed(now);
        if let Some(stop) = self.stop.clone() {
            let position = Position { epoch, step: self.steps() };
            return self.save_and_stop(position, &stop, decisions);
        }
        self.evaluate(now, epoch, totals, decisions);
    }

    fn evaluate(&mut self, now: Duration, epoch: u32, totals: Totals, decisions: &mut Vec<Decision>) {
        let samples = self.options.config.test_samples;
        self.epoch_began.get_or_insert(now);
        self.phase = Phase::Evaluating { epoch, totals, evaluation: Evaluation::new(samples), state_arrived: false };
        self.reason = format!("evaluating epoch {} of {}", epoch + 1, self.options.config.epochs);
        self.upload(decisions);
        let (generation, world) = (self.generation.number, self.generation.members.len() as u32);
        let chunks = Chunks::new(samples).count();
        self.to_all(decisions, |rank| Order::Evaluate { generation, epoch, chunks: block(chunks, world, rank as u32) });
    }

    pub(crate) fn evaluated(&mut self, now: Duration, results: Vec<ChunkResult>, decisions: &mut Vec<Decision>) {
        let Phase::Evaluating { evaluation, .. } = &mut self.phase else { return };
        for result in results {
            if let Err(error) = evaluation.insert(result) {
                return self.end(Outcome::Failed, &format!("the evaluation does not add up: {error}"), decisions);
            }
        }
        self.finish_epoch(now, decisions);
    }

    pub(crate) fn state_arrived(&mut self, now: Duration, position: Position, decisions: &mut Vec<Decision>) {
        match &mut self.phase {
            Phase::Training { .. } | Phase::Evaluating { .. }
                if position.step < self.options.config.steps().count() =>
            {
                self.state_in_passing(position, decisions);
            }
            Phase::Evaluating { state_arrived, .. } => {
                *state_arrived = true;
                self.finish_epoch(now, decisions);
            }
            Phase::Saving => {
                decisions.push(self.checkpoint_within(position));
                let stop = self.stop.clone().unwrap_or_default();
                self.end(Outcome::Stopped, &stop, decisions);
            }
            _ => {}
        }
    }

    /// A checkpoint of the state that has arrived, as it is.
    pub(crate) fn checkpoint_within(&self, position: Position) -> Decision {
        Decision::Checkpoint {
            generation: self.generation.number,
            held: position,
            position,
            schedule: self.schedule().clone(),
            evaluation: None,
        }
    }

    /// Records the epoch and goes on, once the test set is evaluated and the state has arrived.
    fn finish_epoch(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        let Phase::Evaluating { epoch, totals, evaluation, state_arrived: true, .. } = &self.phase else { return };
        if !evaluation.is_complete() {
            return;
        }
        let (epoch, totals) = (*epoch, *totals);
        let (test_loss, confusion) = evaluation.result();
        let config = &self.options.config;
        let mut schedule = self.schedule().clone();
        let rates = schedule.rates(&config.schedule, config.lr, config.epochs, self.steps());
        let note = schedule.finish_epoch(&config.schedule, config.lr, config.epochs, test_loss);
        let test_accuracy = confusion.correct() as f64 / confusion.images().max(1) as f64;
        let stretch = self.generation.stretch;
        let record = EpochRecord {
            epoch,
            train_loss: totals.mean_loss().unwrap_or(f64::NAN),
            train_accuracy: totals.accuracy().unwrap_or(0.0),
            train_images: totals.samples,
            test_loss,
            test_accuracy,
            confusion,
            lr: rates.last().copied().unwrap_or(config.lr),
            seconds: now.saturating_sub(self.epoch_began.take().unwrap_or(now)).as_secs_f64(),
            train_seconds: stretch.seconds,
            images_per_second: stretch.images_per_second(),
            note,
            schedule: schedule.clone(),
        };
        self.history.push(record.clone());
        decisions.push(Decision::Epoch(Box::new(record)));
        if !test_loss.is_finite() {
            // Its figures are recorded, and its state is not saved: the newest checkpoint is one of before.
            let reason = format!(
                "training has diverged: the test loss of epoch {} is {test_loss}; begin another run with a lower --lr",
                epoch + 1
            );
            return self.end(Outcome::Failed, &reason, decisions);
        }
        decisions.push(Decision::Checkpoint {
            generation: self.generation.number,
            held: Position { epoch, step: self.steps() },
            position: Position { epoch: epoch + 1, step: 0 },
            schedule,
            evaluation: Some((test_loss, test_accuracy)),
        });
        let leaving = self.generation.members.iter().any(|id| self.workers.get(id).is_some_and(|w| w.leaving));
        match self.stop.clone() {
            Some(stop) if epoch + 1 < config.epochs => self.end(Outcome::Stopped, &stop, decisions),
            _ if leaving && epoch + 1 < config.epochs => self.reform(now, "the set of workers changes", decisions),
            _ => self.next_epoch(now, decisions),
        }
    }
}
