//! What others see of the run.

use crate::helm::Helm;
use plan::{Position, Totals};
use proto::v1;
use std::time::{Duration, Instant};
use steering::{Recovery, RunState, Status, Worker, WorkerId};

/// Failures that a client sees of a run that survived many.
const SHOWN: usize = 16;

/// How far the run is.
struct Headway {
    position: Position,
    /// Of the epoch that it is in.
    totals: Totals,
    /// As last measured; 0: never in this generation.
    images_per_second: f64,
}

impl Helm {
    /// Shows the run as it stands, to clients and on the terminal.
    pub(super) fn show(&mut self) {
        let mut run = self.snapshot();
        run.conditions = self.conditions(&run);
        self.display.progress(&run);
        self.view.send_replace(run);
        self.shown = Instant::now();
    }

    fn snapshot(&self) -> v1::Run {
        let status = self.shown_status();
        let Headway { position, totals, images_per_second } = self.headway();
        let training = status.state == RunState::Training && !self.waits_for_the_disk();
        let images_per_second = if training { images_per_second } else { 0.0 };
        let rates = self.config.learning_rate().of_epoch(self.steering.schedule(), self.config.span());
        let now = self.steering.time(self.now());
        let workers = self.steering.workers().iter();
        v1::Run {
            id: self.run_id.clone(),
            state: state(status.state).into(),
            reason: status.reason,
            epoch: position.epoch,
            step: position.step,
            steps_per_epoch: self.config.steps().count(),
            train_loss: totals.mean_loss(),
            train_accuracy: totals.accuracy(),
            learning_rate: rates.map_or(f64::NAN, |rates| rates.of_step(position.step)),
            images_per_second,
            seconds_left: self.seconds_left(position, images_per_second),
            generation: self.steering.generation(),
            workers: workers.filter_map(|(id, worker)| self.worker_message(*id, worker, now)).collect(),
            epochs: view::records::newest_epochs(self.steering.history()),
            config: Some(proto::to_message(&self.config.values())),
            checkpoint: self.newest.as_ref().map_or_else(String::new, |(name, _)| name.clone()),
            best_checkpoint: self.best.as_ref().map_or_else(String::new, |(name, _)| name.clone()),
            best_accuracy: self.best.as_ref().map(|(_, accuracy)| *accuracy),
            wall_seconds: self.now().as_secs_f64(),
            recoveries: last_of(self.steering.recoveries(), self.shown_as_survived),
            conditions: Vec::new(),
            weights_sha256: self.weights_sha256.clone(),
            // The service tells: it sees what is recorded.
            events: 0,
        }
    }

    /// What the run does and why, with what the state machine does not know: the disk, and workers that do not come.
    fn shown_status(&self) -> Status {
        let mut status = self.steering.status();
        if self.ending.is_some() && !self.over {
            // Over for the machine, but not on disk yet.
            status.state = RunState::Saving;
        }
        if status.state == RunState::Paused && !self.saver.is_idle() {
            // It counts as paused once nothing can be lost.
            status = Status { state: RunState::Saving, reason: format!("saving the newest state: {}", status.reason) };
        }
        if status.state == RunState::Waiting && !self.trouble.is_empty() {
            status.reason = format!("{}; {}", status.reason, self.trouble);
        }
        if self.waits_for_the_disk() {
            status.reason = format!("waiting for the disk to take down what was decided: {}", status.reason);
        }
        if let Some(unsaved) = &self.unsaved {
            status.reason = format!("the last checkpoint is tried again: {}", unsaved.why);
        }
        status
    }

    fn headway(&self) -> Headway {
        let members = self.steering.members();
        // The furthest of the members: what is committed on one is committed.
        let furthest = members
            .iter()
            .filter_map(|member| self.attachments.get(member))
            .map(|attachment| &attachment.progress)
            .filter(|progress| progress.generation == self.steering.generation())
            .max_by_key(|progress| progress.position.map(Position::from));
        let epoch = self.steering.epochs_done();
        // While they form a generation they have said only what they hold. Without any it is as far as anyone holds.
        let held = members.iter().filter_map(|id| Some(self.steering.workers().get(id)?.position)).max();
        let position = furthest
            .and_then(|progress| progress.position.map(Position::from))
            .or(held)
            .or_else(|| self.steering.reached())
            .filter(|position| position.epoch == epoch && position.step <= self.config.steps().count())
            .unwrap_or(Position { epoch: epoch.min(self.config.epochs.saturating_sub(1)), step: 0 });
        let totals = furthest
            .filter(|progress| progress.position.is_some_and(|at| at.epoch == epoch))
            .and_then(|progress| progress.totals.map(Totals::from))
            .unwrap_or_default();
        Headway { position, totals, images_per_second: furthest.map_or(0.0, |progress| progress.images_per_second) }
    }

    /// A worker as it stands at `now`, by the clock of the state machine. `None` if it is not attached.
    fn worker_message(&self, id: WorkerId, worker: &Worker, now: Duration) -> Option<v1::Worker> {
        let attachment = self.attachments.get(&id)?;
        let world_size = self.steering.members().len() as u32;
        let rank = self.steering.rank_of(id);
        let shards = rank.map_or(0..0, |rank| plan::block(self.config.shards, world_size, rank));
        let conduct = self.steering.conduct(&worker.name);
        Some(v1::Worker {
            name: worker.name.clone(),
            device: attachment.hello.device.clone(),
            device_name: attachment.hello.device_name.clone(),
            rank,
            shards: shards.collect(),
            epoch: worker.position.epoch,
            step: worker.position.step,
            compute_seconds: attachment.progress.compute_seconds,
            wait_seconds: attachment.progress.wait_seconds,
            preparing: !worker.prepared,
            last_seen_ms: now.saturating_sub(worker.last_seen).as_millis() as u64,
            strikes: conduct.map_or(0, |conduct| conduct.strikes),
            set_aside: conduct.map_or_else(String::new, |conduct| conduct.reason.clone()),
            back_in_seconds: conduct.and_then(|conduct| {
                let left = conduct.until.saturating_sub(now);
                (!left.is_zero() || !worker.prepared).then_some(left.as_secs_f64())
            }),
        })
    }

    /// By the epochs that are done, or else by the speed of the steps.
    fn seconds_left(&self, position: Position, images_per_second: f64) -> Option<f64> {
        let history = self.steering.history();
        let steps = f64::from(self.config.steps().count());
        let measured: Vec<f64> = history.iter().rev().take(3).map(|record| record.seconds).collect();
        let epoch_seconds = if measured.is_empty() {
            (images_per_second > 0.0).then(|| f64::from(self.config.train_samples) / images_per_second)?
        } else {
            measured.iter().sum::<f64>() / measured.len() as f64
        };
        // After the last epoch the position stays where that one was.
        let done = (f64::from(position.epoch) + f64::from(position.step) / steps).max(history.len() as f64);
        Some((f64::from(self.config.epochs) - done).max(0.0) * epoch_seconds)
    }
}

/// The last few, as messages. Those from `recorded` on are not known to the next coordinator to have been survived.
fn last_of(recoveries: &[Recovery], recorded: usize) -> Vec<v1::Recovery> {
    recoveries
        .iter()
        .enumerate()
        .skip(recoveries.len().saturating_sub(SHOWN))
        .map(|(index, recovery)| v1::Recovery {
            kind: recovery.kind.clone(),
            detected_ms: recovery.detected_ms,
            resumed_ms: recovery.resumed_ms.filter(|_| index < recorded),
            generation: recovery.generation,
        })
        .collect()
}

fn state(state: RunState) -> v1::RunState {
    match state {
        RunState::Waiting => v1::RunState::Waiting,
        RunState::Forming => v1::RunState::Forming,
        RunState::Training => v1::RunState::Training,
        RunState::Evaluating => v1::RunState::Evaluating,
        RunState::Saving => v1::RunState::Saving,
        RunState::Stopping => v1::RunState::Stopping,
        RunState::Finished => v1::RunState::Finished,
        RunState::Stopped => v1::RunState::Stopped,
        RunState::Failed => v1::RunState::Failed,
        RunState::Paused => v1::RunState::Paused,
    }
}
