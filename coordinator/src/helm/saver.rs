//! The thread that writes checkpoints, so that nothing waits for a disk.

use crate::{error::Error, helm::input::HelmInput};
use checkpoint::{Manifest, Retention, Store};
use config::RunConfig;
use inference::Engine;
use plan::Position;
use schedule::ScheduleState;
use state::State;
use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::mpsc as async_mpsc;

/// A checkpoint to be written.
#[derive(Clone)]
pub struct SaveJob {
    /// Position, totals and slots.
    pub state: Arc<State>,
    /// The schedule there.
    pub schedule: ScheduleState,
    /// Its test loss and accuracy, where it was evaluated.
    pub evaluation: Option<(f64, f64)>,
}

/// What became of it.
pub struct SavedCheckpoint {
    /// Name and manifest, or why there is none.
    pub result: Result<(String, Manifest), checkpoint::Error>,
    /// What was to be written.
    pub job: SaveJob,
    /// How long that took.
    pub took: Duration,
}

/// A checkpoint that is not written, as the disk does not keep up.
pub struct LeftOut {
    /// Of where.
    pub position: Position,
    /// Whether it is the first since the disk moved last.
    pub first: bool,
}

/// The handle on the thread.
pub struct Saver {
    jobs: mpsc::SyncSender<SaveJob>,
    /// Run id and configuration, which the first worker may complete.
    identity: Arc<Mutex<Option<(String, RunConfig)>>>,
    /// Whether one is being written.
    writing: bool,
    /// The one after that. If the disk does not keep up, only the newest waits. A thread with a full queue would hold
    /// up the helm.
    next: Option<SaveJob>,
    /// Whether one was left out since the last that was dealt with.
    left_out: bool,
}

impl Saver {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there is none to be had.
    pub fn start(
        store: Store,
        retention: Retention,
        engine: Engine,
        inputs: async_mpsc::Sender<HelmInput>,
    ) -> Result<Self, Error> {
        let (jobs, receiver) = mpsc::sync_channel::<SaveJob>(1);
        let identity = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&identity);
        let body = move || {
            while let Ok(job) = receiver.recv() {
                let Some((run_id, config)) = lock(&shared).clone() else { continue };
                let saved = checkpoint::Saved {
                    run_id: &run_id,
                    config: &config,
                    schedule: &job.schedule,
                    evaluation: job.evaluation,
                    state: &job.state,
                };
                let began = Instant::now();
                let result = store.write(&saved);
                let took = began.elapsed();
                if let Ok((name, manifest)) = &result {
                    engine.load(name, manifest, &job.state);
                    if let Err(error) = store.prune(retention) {
                        tracing::warn!("old checkpoints stay: {error}");
                    }
                }
                if inputs.blocking_send(HelmInput::Saved(Box::new(SavedCheckpoint { result, job, took }))).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("save".to_owned()).spawn(body).map_err(|error| Error::Serve(error.to_string()))?;
        Ok(Self { jobs, identity, writing: false, next: None, left_out: false })
    }

    /// Says which run it is.
    pub fn set_config(&self, run_id: &str, config: &RunConfig) {
        *lock(&self.identity) = Some((run_id.to_owned(), config.clone()));
    }

    /// Has a checkpoint written, as soon as the one before is. One that has waited for that too is left out for this newer
    /// one, and is returned.
    #[must_use]
    pub fn save(&mut self, job: SaveJob) -> Option<LeftOut> {
        if self.writing {
            let position = self.next.replace(job)?.state.position;
            let first = !std::mem::replace(&mut self.left_out, true);
            return Some(LeftOut { position, first });
        }
        // The channel has room: nothing is under way.
        self.writing = self.jobs.try_send(job).is_ok();
        None
    }

    /// Takes notice that the one under way was dealt with.
    pub fn done(&mut self) {
        self.writing = false;
        self.left_out = false;
        if let Some(next) = self.next.take() {
            // Nothing is under way, so that none is left out.
            let _ = self.save(next);
        }
    }

    /// Whether nothing waits to be written.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.writing && self.next.is_none()
    }
}

fn lock(identity: &Mutex<Option<(String, RunConfig)>>) -> std::sync::MutexGuard<'_, Option<(String, RunConfig)>> {
    identity.lock().unwrap_or_else(PoisonError::into_inner)
}
