//! Training to the end of an epoch, or to where it is halted.

use crate::error::EngineError;
use crate::input::{BatchFeed, Samples};
use crate::messages::{EngineEvent, EngineProgress, TrainOutcome};
use crate::reports::Reports;
use crate::speed::Speed;
use crate::step::train_step;
use crate::thread::Thread;
use plan::{Held, Position, Rates, Totals, epoch_order};
use std::{rc::Rc, sync::Arc, time::Instant};

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
        let steps = self.options.config.steps().count();
        let held = self.replica.position;
        // Past the last step of an epoch is before the first of the next.
        let next_epoch = Position { epoch: from.epoch.wrapping_sub(1), step: steps };
        if from.step == 0 && held == Some(next_epoch) {
            self.replica.position = Some(from);
            self.replica.totals = Totals::default();
        } else if held != Some(from) {
            return Err(EngineError::OutOfOrder {
                order: format!("train from {from}"),
                state: held.map_or("no state is loaded".to_owned(), |held| format!("the state is at {held}")),
            });
        }
        let Some(reducer) = &mut self.reducer else {
            return Err(EngineError::OutOfOrder {
                order: "train".to_owned(),
                state: "no process group stands".to_owned(),
            });
        };
        let config = &self.options.config;
        let order = match &self.order {
            Some((epoch, order)) if *epoch == from.epoch => Arc::clone(order),
            _ => {
                let order: Arc<[u32]> = epoch_order(config.seed, from.epoch, config.train_samples).into();
                self.order = Some((from.epoch, Arc::clone(&order)));
                order
            }
        };
        let (plan, count, shards) = (config.steps(), config.shards, reducer.shards());
        let ranges = (from.step..steps)
            .flat_map(move |step| shards.clone().filter_map(move |shard| plan.shard_of(step, shard, count)));
        let ranges = ranges.map(|range| range.start as usize..range.end as usize);
        let augment = config.augment.clone();
        let samples = Samples { order, seed: config.seed, epoch: from.epoch, augment, ranges: Box::new(ranges) };
        let mut input = match &self.resident {
            Some(data) => BatchFeed::resident(Rc::clone(data), samples),
            None => BatchFeed::ahead(Arc::clone(&self.options.train), samples, self.replica.hardware)?,
        };
        let start = Instant::now();
        let mut images = 0;
        let mut speed = Speed::default();
        let mut halted = false;
        for step in from.step..steps {
            let rate = rates.of_step(step);
            let (began, waited) = (Instant::now(), self.control.waited());
            for fault in &self.options.faults {
                fault.strike(generation, &mut self.replica, &self.control)?;
            }
            let outcome = train_step(&mut self.replica, reducer, &mut input, rate, &self.control, &mut self.profile)?;
            images += outcome.samples;
            let stalled = reducer.stalled()?;
            let waited = if self.replica.hardware.works_with_its_thread() {
                self.control.waited().saturating_sub(waited)
            } else {
                stalled
            };
            speed.add(outcome.samples, began.elapsed(), waited);
            let (compute_seconds, wait_seconds) = speed.step();
            let position = Position { step: step + 1, ..from };
            let (totals, lineage) = (self.replica.totals, self.replica.lineage);
            self.control.set_held(Some(Held { position, totals, lineage }));
            self.progress.send_replace(EngineProgress {
                generation,
                position,
                totals: self.replica.totals,
                images_per_second: speed.images_per_second(),
                compute_seconds,
                wait_seconds,
            });
            reports.make(generation, &self.replica, (steps, outcome.halt), &self.control, &self.events)?;
            if outcome.halt && step + 1 < steps {
                halted = true;
                break;
            }
        }
        let position = self.replica.held()?;
        let outcome =
            TrainOutcome { position, totals: self.replica.totals, seconds: start.elapsed().as_secs_f64(), images };
        if let Some((path, process)) = &self.options.trace {
            // No reason to stop training for.
            if let Err(error) = self.profile.write(path, process) {
                tracing::warn!("cannot write the trace {}: {error}", path.display());
            }
        }
        Ok(if halted {
            EngineEvent::Halted { generation, outcome }
        } else {
            EngineEvent::EpochDone { generation, outcome }
        })
    }
}
