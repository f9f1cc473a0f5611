//! What a run leaves in its directory for others: config.json, metrics.jsonl, summary.json, and event files for TensorBoard.

mod events;
mod files;
mod metrics;

pub use events::EventFiles;
pub use metrics::{METRICS, append_metrics, write_metrics};

use crate::error::Error;
use checkpoint::{Manifest, Store};
use config::RunConfig;
use files::write_json;
use plan::number;
use serde::Serialize;
use serde_json::Value;
use std::{fs, path::Path, time::Duration};
use steering::{Ending, EpochRecord, Outcome, Recovery};

/// `summary.json`. Fractions are 0 to 1.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// finished, stopped or failed.
    pub state: &'static str,
    /// Why, in words.
    pub reason: String,
    /// The model.
    pub model: String,
    /// The arithmetic.
    pub precision: String,
    /// Workers of the last generation: as many as the run's shards at most.
    pub workers: usize,
    /// Logical shards.
    pub shards: u32,
    /// Epochs done, those before a checkpoint that was taken in included.
    pub epochs: usize,
    /// Steps done.
    pub steps: u64,
    /// Images trained, over all epochs.
    pub train_images: u64,
    /// Images evaluated after each epoch.
    pub test_images: u64,
    /// Of training only; evaluation and waiting are left out.
    #[serde(with = "number")]
    pub images_per_second: f64,
    /// Of the last epoch.
    #[serde(with = "number::optional")]
    pub test_accuracy: Option<f64>,
    /// Of the last epoch.
    #[serde(with = "number::optional")]
    pub test_loss: Option<f64>,
    /// Of the last epoch, by class.
    #[serde(with = "number::list")]
    pub per_class_accuracy: Vec<f64>,
    /// The names of the classes, in the same order.
    pub classes: Vec<String>,
    /// The rate that the next epoch would have.
    #[serde(with = "number")]
    pub lr: f64,
    /// SHA-256 over names and bytes of the final state dict, in name order.
    pub weights_sha256: Option<String>,
    /// The newest checkpoint.
    pub checkpoint: Option<String>,
    /// The checkpoint with the highest test accuracy.
    pub best_checkpoint: Option<String>,
    /// The test accuracy of the best checkpoint, from 0 to 1.
    #[serde(with = "number::optional")]
    pub best_accuracy: Option<f64>,
    /// The failures that were survived.
    pub recoveries: Vec<Recovery>,
    /// Time in steps, over all epochs.
    #[serde(with = "number")]
    pub train_seconds: f64,
    /// From the start of this coordinator.
    #[serde(with = "number")]
    pub wall_seconds: f64,
}

impl Summary {
    /// The summary of a run that has ended.
    ///
    /// # Errors
    /// If its checkpoints cannot be read.
    pub fn new(
        ending: &Ending,
        config: &RunConfig,
        workers: usize,
        history: &[EpochRecord],
        recoveries: &[Recovery],
        store: &Store,
        wall: Duration,
    ) -> Result<Self, Error> {
        let last = history.last();
        let newest = store.list()?.pop();
        let best = store.best()?;
        let train_seconds: f64 =
            history.iter().map(|record| record.train_seconds).fold(0.0, |sum, seconds| sum + seconds);
        let images: u64 = history.iter().map(|record| record.train_images).sum();
        // Steps whose time was measured, which are all but those of generations that failed.
        let measured: f64 = history.iter().map(|record| record.images_per_second * record.train_seconds).sum();
        Ok(Self {
            state: match ending.outcome {
                Outcome::Finished => "finished",
                Outcome::Stopped => "stopped",
                Outcome::Failed => "failed",
            },
            reason: ending.reason.clone(),
            model: config.model.clone(),
            precision: config.precision.to_string(),
            workers,
            shards: config.shards,
            epochs: last.map_or_else(
                || newest.as_ref().map_or(0, |(_, manifest)| manifest.position.epoch as usize),
                |record| record.epoch as usize + 1,
            ),
            steps: newest.as_ref().map_or(0, |(_, manifest)| manifest.steps_done),
            train_images: images,
            test_images: last.map_or(0, |record| record.confusion.images()),
            images_per_second: if train_seconds > 0.0 { measured / train_seconds } else { 0.0 },
            // The epochs before a checkpoint that was taken in are not known, but what it was evaluated to is.
            test_accuracy: match last {
                Some(record) => Some(record.test_accuracy),
                None => newest.as_ref().and_then(|(_, manifest)| manifest.test_accuracy),
            },
            test_loss: match last {
                Some(record) => Some(record.test_loss),
                None => newest.as_ref().and_then(|(_, manifest)| manifest.test_loss),
            },
            per_class_accuracy: last.map_or_else(Vec::new, |record| record.confusion.per_class_accuracy()),
            classes: config.dataset.classes.clone(),
            lr: last.map_or(config.lr, |record| record.schedule.rate),
            weights_sha256: newest.as_ref().map(|(_, manifest)| manifest.weights_sha256.clone()),
            checkpoint: newest.map(|(name, _)| name),
            best_accuracy: best.as_ref().and_then(|(_, manifest)| manifest.test_accuracy),
            best_checkpoint: best.map(|(name, _)| name),
            recoveries: recoveries.to_vec(),
            train_seconds,
            wall_seconds: wall.as_secs_f64(),
        })
    }

    /// Whether the `summary.json` in `run_dir` is that of a run that finished with the checkpoint `newest`.
    #[must_use]
    pub fn tells_the_end(run_dir: &Path, newest: Option<&Manifest>) -> bool {
        let read = fs::read(run_dir.join("summary.json")).ok();
        let Some(summary) = read.and_then(|json| serde_json::from_slice::<Value>(&json).ok()) else { return false };
        let weights = summary["weights_sha256"].as_str();
        summary["state"] == "finished" && weights == newest.map(|newest| newest.weights_sha256.as_str())
    }

    /// Writes `summary.json`.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(&self, run_dir: &Path) -> Result<(), Error> {
        write_json(&run_dir.join("summary.json"), self)
    }
}

/// Writes `config.json`: what decides the weights.
///
/// # Errors
/// If the file system refuses.
pub fn write_config(run_dir: &Path, config: &RunConfig) -> Result<(), Error> {
    write_json(&run_dir.join("config.json"), config)
}

#[cfg(test)]
mod tests {
    use super::{
        metrics::testing::{record, words},
        *,
    };

    #[test]
    fn so_are_they_in_the_summary() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().join("checkpoints"));
        let ending = Ending { outcome: Outcome::Failed, reason: "it diverged".to_owned() };
        let (config, wall) = (RunConfig::default(), Duration::from_secs(1));
        let summary = |history: &[EpochRecord]| {
            Summary::new(&ending, &config, 1, history, &[], &store, wall).unwrap().write(directory.path()).unwrap();
            let text = fs::read_to_string(directory.path().join("summary.json")).unwrap();
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let (fine, diverged) = (summary(&[record(0.5)]), summary(&[record(f64::INFINITY)]));
        let became: Vec<&str> =
            words(&diverged).into_iter().filter(|(_, word)| *word == "Infinity").map(|(n, _)| n).collect();
        assert_eq!(became, ["test_accuracy", "test_loss", "lr", "train_seconds"]);
        assert_eq!(diverged["images_per_second"], "NaN");
        for (name, value) in fine.as_object().unwrap() {
            assert_eq!(value.is_null(), diverged[name].is_null(), "{name}");
        }
    }
}
