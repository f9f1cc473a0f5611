//! The thread that writes checkpoints, so that nothing waits for a disk.

use crate::{Error, helm::Input, predict::Predictor};
use checkpoint::{Manifest, Retention, State, Store};
use plan::{RunConfig, ScheduleState, Totals};
use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};
use tokio::sync::mpsc as async_mpsc;

/// Checkpoints that may wait to be written.
const WAITING: usize = 4;

/// A checkpoint to be written.
pub struct SaveJob {
    /// What.
    pub state: Arc<State>,
    /// The schedule there.
    pub schedule: ScheduleState,
    /// Its test loss and accuracy, where it was evaluated.
    pub evaluation: Option<(f64, f64)>,
}

/// What became of it.
pub struct Saved {
    /// Name and manifest, or why there is none.
    pub result: Result<(String, Manifest), checkpoint::Error>,
    /// The running totals at its position.
    pub totals: Totals,
}

/// The handle on the thread.
pub struct Saver {
    jobs: mpsc::SyncSender<SaveJob>,
    /// Run id and configuration, which the first worker may complete.
    identity: Arc<Mutex<Option<(String, RunConfig)>>>,
    waiting: usize,
}

impl Saver {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there is none to be had.
    pub fn start(
        store: Store,
        retention: Retention,
        predictor: Predictor,
        inputs: async_mpsc::Sender<Input>,
    ) -> Result<Self, Error> {
        let (jobs, receiver) = mpsc::sync_channel::<SaveJob>(WAITING);
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
                let result = store.write(&saved);
                if let Ok((name, manifest)) = &result {
                    predictor.load(name, manifest.test_accuracy, Arc::clone(&job.state));
                    if let Err(error) = store.prune(retention) {
                        tracing::warn!("old checkpoints stay: {error}");
                    }
                }
                let totals = job.state.totals;
                if inputs.blocking_send(Input::Saved(Saved { result, totals })).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("save".to_owned()).spawn(body).map_err(|error| Error::Serve(error.to_string()))?;
        Ok(Self { jobs, identity, waiting: 0 })
    }

    /// Says which run it is.
    pub fn set_config(&self, run_id: &str, config: &RunConfig) {
        *lock(&self.identity) = Some((run_id.to_owned(), config.clone()));
    }

    /// Has a checkpoint written. Waits only if a disk is whole checkpoints behind.
    pub fn save(&mut self, job: SaveJob) {
        if self.jobs.send(job).is_ok() {
            self.waiting += 1;
        }
    }

    /// Takes notice that one was dealt with.
    pub fn done(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Whether nothing waits to be written.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting == 0
    }
}

fn lock(identity: &Mutex<Option<(String, RunConfig)>>) -> std::sync::MutexGuard<'_, Option<(String, RunConfig)>> {
    identity.lock().unwrap_or_else(PoisonError::into_inner)
}
