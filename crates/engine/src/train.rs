//! Training to the end of an epoch, or to where it is halted.

use crate::error::EngineError;
use crate::input::{BatchFeed, Samples};
use crate::messages::{EngineEvent, EngineProgress, TrainOutcome};
use crate::reports::Reports;
use crate::speed::Speed;
use crate::step::train_step;
use crate::thread::Thread;
use plan::{Held, Position, Rates, Totals, epoch_order};
use reduction::Reducer;
use std::{rc::Rc, sync::Arc, time::Instant};

/// A stretch of training: steps of one epoch, one after the other.
struct Stretch {
    generation: u64,
    input: BatchFeed,
    began: Instant,
    /// Images that its steps have taken in.
    images: u64,
    speed: Speed,
}

impl Thread {
    /// Trains from `from`, and makes `reports` on the way.
    ///
    /// # Errors
    /// If the replica is elsewhere, or a step fails or is aborted: the state is of before that step then.
    pub(super) fn train(
        &mut self,
        generation: u64,
        from: Position,
        rates: &Rates,
        reports: Reports,
    ) -> Result<EngineEvent, EngineError> {
        self.enter(from)?;
        let input = self.input(from)?;
        let mut stretch = Stretch { generation, input, began: Instant::now(), images: 0, speed: Speed::default() };
        let steps = self.options.config.steps().count();
        let mut halted = false;
        for step in from.step..steps {
            let halt = self.step(&mut stretch, Position { step, ..from }, rates.of_step(step))?;
            reports.make(generation, &self.replica, (steps, halt), &self.control, &self.events)?;
            if halt && step + 1 < steps {
                halted = true;
                break;
            }
        }
        let position = self.replica.held()?;
        let (totals, seconds) = (self.replica.totals, stretch.began.elapsed().as_secs_f64());
        let outcome = TrainOutcome { position, totals, seconds, images: stretch.images };
        self.write_trace();
        Ok(if halted {
            EngineEvent::Halted { generation, outcome }
        } else {
            EngineEvent::EpochDone { generation, outcome }
        })
    }

    /// Makes sure that the replica is at `from`. Past the last step of an epoch is before the first of the next.
    fn enter(&mut self, from: Position) -> Result<(), EngineError> {
        let held = self.replica.position;
        let steps = self.options.config.steps().count();
        let end_before = Position { epoch: from.epoch.wrapping_sub(1), step: steps };
        if from.step == 0 && held == Some(end_before) {
            self.replica.position = Some(from);
            self.replica.totals = Totals::default();
        } else if held != Some(from) {
            return Err(EngineError::OutOfOrder {
                order: format!("train from {from}"),
                state: held.map_or("no state is loaded".to_owned(), |held| format!("the state is at {held}")),
            });
        }
        Ok(())
    }

    /// The batches of this worker's shards, from `from` to the end of the epoch.
    fn input(&mut self, from: Position) -> Result<BatchFeed, EngineError> {
        let shards = standing(&mut self.reducer)?.shards();
        let order = self.order_of(from.epoch);
        let config = &self.options.config;
        let (plan, count) = (config.steps(), config.shards);
        let ranges = (from.step..plan.count())
            .flat_map(move |step| shards.clone().filter_map(move |shard| plan.shard_of(step, shard, count)));
        let ranges = ranges.map(|range| range.start as usize..range.end as usize);
        let augment = config.augment.clone();
        let samples = Samples { order, seed: config.seed, epoch: from.epoch, augment, ranges: Box::new(ranges) };
        match &self.resident {
            Some(data) => Ok(BatchFeed::resident(Rc::clone(data), samples)),
            None => BatchFeed::ahead(Arc::clone(&self.options.train), samples, self.replica.hardware),
        }
    }

    /// The order of samples in `epoch`, which is kept until another epoch's is asked for.
    fn order_of(&mut self, epoch: u32) -> Arc<[u32]> {
        match &self.order {
            Some((known, order)) if *known == epoch => Arc::clone(order),
            _ => {
                let config = &self.options.config;
                let order: Arc<[u32]> = epoch_order(config.seed, epoch, config.train_samples).into();
                self.order = Some((epoch, Arc::clone(&order)));
                order
            }
        }
    }

    /// Does the step at `at`, and makes known how far the replica is then. Returns whether a halt was asked for.
    fn step(&mut self, stretch: &mut Stretch, at: Position, rate: f64) -> Result<bool, EngineError> {
        let _place = tracing::error_span!("step", epoch = at.epoch, step = at.step).entered();
        let (began, waited) = (Instant::now(), self.control.waited());
        for fault in &self.options.faults {
            fault.strike(stretch.generation, &mut self.replica, &self.control)?;
        }
        let reducer = standing(&mut self.reducer)?;
        let (replica, input) = (&mut self.replica, &mut stretch.input);
        let outcome = train_step(replica, reducer, input, rate, &self.control, &mut self.profile)?;
        let stalled = reducer.stalled()?;
        let own = self.replica.hardware.works_with_its_thread();
        let waited = if own { self.control.waited().saturating_sub(waited) } else { stalled };
        stretch.images += outcome.samples;
        stretch.speed.add(outcome.samples, began.elapsed(), waited);
        self.publish(stretch, Position { step: at.step + 1, ..at });
        Ok(outcome.halt)
    }

    /// Makes known that the replica is at `position`, and how fast it got there.
    fn publish(&self, stretch: &Stretch, position: Position) {
        let (totals, lineage) = (self.replica.totals, self.replica.lineage);
        self.control.set_held(Some(Held { position, totals, lineage }));
        let (compute_seconds, wait_seconds) = stretch.speed.step();
        self.progress.send_replace(EngineProgress {
            generation: stretch.generation,
            position,
            totals,
            images_per_second: stretch.speed.images_per_second(),
            compute_seconds,
            wait_seconds,
        });
    }

    /// Writes what was measured, where that is asked for. It is no reason to stop training for.
    fn write_trace(&self) {
        if let Some((path, process)) = &self.options.trace
            && let Err(error) = self.profile.write(path, process)
        {
            tracing::warn!("cannot write the trace {}: {error}", path.display());
        }
    }
}

/// The reducer of the process group, if one stands.
fn standing(reducer: &mut Option<Reducer>) -> Result<&mut Reducer, EngineError> {
    reducer.as_mut().ok_or_else(|| EngineError::OutOfOrder {
        order: "train".to_owned(),
        state: "no process group stands".to_owned(),
    })
}
