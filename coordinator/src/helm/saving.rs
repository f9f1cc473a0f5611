//! What becomes of checkpoints: on disk, or not.

use crate::{
    helm::{
        Declined, Helm,
        saver::{SaveJob, SavedCheckpoint},
    },
    journal::Entry,
};
use std::time::{Duration, Instant};

/// Between two attempts to write a checkpoint that is the only copy of a state.
const RETRY: Duration = Duration::from_secs(2);

/// A checkpoint that could not be written.
pub(super) struct Unsaved {
    pub job: SaveJob,
    pub why: checkpoint::Error,
    pub since: Instant,
}

impl Helm {
    /// Takes notice that a checkpoint was written, or was not.
    pub(super) fn saved(&mut self, saved: SavedCheckpoint) {
        self.saver.done();
        self.spans.checkpoint(saved.result.as_ref(), saved.job.state.position, saved.took);
        self.unsaved = None;
        if let Err(why) = &saved.result {
            self.waiting.decline(&Declined::Unsaved(why.to_string()));
        }
        match saved.result {
            Ok((name, manifest)) => {
                self.recorder.record(Entry::Checkpoint { name: name.clone(), steps_done: manifest.steps_done });
                self.steering.checkpointed(name.clone(), manifest.position, saved.job.state.totals);
                if let Some(accuracy) = manifest.test_accuracy
                    && self.best.as_ref().is_none_or(|(_, best)| accuracy > *best)
                {
                    self.best = Some((name.clone(), accuracy));
                }
                tracing::debug!("checkpoint {name}");
                self.weights_sha256 = manifest.weights_sha256;
                self.newest = Some((name, manifest.test_accuracy));
            }
            // What is wrong with a disk may pass.
            Err(why @ checkpoint::Error::Io { .. })
                if self.saver.is_idle()
                    && (self.ending.is_some() || self.steering.is_paused() || self.is_the_only_copy(&saved.job)) =>
            {
                let which = match () {
                    () if self.ending.is_some() => "the last one",
                    () if self.steering.is_paused() => "that of the pause",
                    () => "the only copy of that state",
                };
                tracing::warn!(
                    "{why}; it is {which}, and is tried again until it can be written. Whoever asks the coordinator to stop \
                     {}gives it up",
                    if self.ending.is_some() { "now " } else { "twice " }
                );
                self.unsaved = Some(Unsaved { job: saved.job, why, since: Instant::now() });
            }
            Err(error) => {
                self.steering.not_checkpointed(saved.job.state.position);
                self.warn(&format!("{error}; the last good checkpoint stays, and the next one is tried as planned"));
            }
        }
    }

    /// Whether no attached worker holds a state as new as that of `job`. The last one that did may have left.
    fn is_the_only_copy(&self, job: &SaveJob) -> bool {
        self.steering.held().is_none_or(|held| held < job.state.position)
    }

    /// Tries a checkpoint that must not be lost again, from time to time.
    pub(super) fn retry_the_last(&mut self) {
        if let Some(unsaved) = &self.unsaved
            && self.saver.is_idle()
            && unsaved.since.elapsed() > RETRY
        {
            // Nothing else is on its way any more. Why it is tried again is known until this attempt tells better.
            let _ = self.saver.save(unsaved.job.clone());
        }
    }
}
