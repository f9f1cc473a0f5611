//! What a run leaves in its directory for scripts: config.json, metrics.jsonl, summary.json.

use crate::Error;
use checkpoint::Store;
use plan::RunConfig;
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};
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
    /// Epochs done.
    pub epochs: usize,
    /// Steps done.
    pub steps: u64,
    /// Images trained, over all epochs.
    pub train_images: u64,
    /// Images evaluated after each epoch.
    pub test_images: u64,
    /// Of training only; evaluation and waiting are left out.
    pub images_per_second: f64,
    /// Of the last epoch.
    pub test_accuracy: Option<f64>,
    /// Of the last epoch.
    pub test_loss: Option<f64>,
    /// Of the last epoch, by class.
    pub per_class_accuracy: Vec<f64>,
    /// The rate that the next epoch would have.
    pub lr: f64,
    /// SHA-256 over names and bytes of the final state dict, in name order.
    pub weights_sha256: Option<String>,
    /// The newest checkpoint.
    pub checkpoint: Option<String>,
    /// The checkpoint with the highest test accuracy.
    pub best_checkpoint: Option<String>,
    /// Its accuracy.
    pub best_accuracy: Option<f64>,
    /// The failures that were survived.
    pub recoveries: Vec<Recovery>,
    /// Time in steps, over all epochs.
    pub train_seconds: f64,
    /// From the start of this coordinator.
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
            epochs: history.len(),
            steps: newest.as_ref().map_or(0, |(_, manifest)| manifest.steps_done),
            train_images: images,
            test_images: last.map_or(0, |record| record.confusion.images()),
            images_per_second: if train_seconds > 0.0 { measured / train_seconds } else { 0.0 },
            test_accuracy: last.map(|record| record.test_accuracy),
            test_loss: last.map(|record| record.test_loss),
            per_class_accuracy: last.map_or_else(Vec::new, |record| record.confusion.per_class_accuracy()),
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

/// Adds an epoch to `metrics.jsonl`.
///
/// # Errors
/// If the file system refuses.
pub fn append_metrics(run_dir: &Path, record: &EpochRecord) -> Result<(), Error> {
    let path = run_dir.join("metrics.jsonl");
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed("open", &path))?;
    writeln!(file, "{}", metrics(record)).map_err(failed("write", &path))
}

/// Writes `metrics.jsonl` anew.
///
/// # Errors
/// If the file system refuses.
pub fn write_metrics(run_dir: &Path, history: &[EpochRecord]) -> Result<(), Error> {
    let path = run_dir.join("metrics.jsonl");
    let lines: Vec<String> = history.iter().map(|record| metrics(record).to_string() + "\n").collect();
    replace(&path, &lines.concat())
}

fn metrics(record: &EpochRecord) -> Value {
    json!({
        "epoch": record.epoch + 1,
        "train_loss": record.train_loss,
        "train_accuracy": record.train_accuracy,
        "train_images": record.train_images,
        "test_loss": record.test_loss,
        "test_accuracy": record.test_accuracy,
        "test_images": record.confusion.images(),
        "per_class_accuracy": record.confusion.per_class_accuracy(),
        "lr": record.lr,
        "images_per_second": record.images_per_second,
        "train_seconds": record.train_seconds,
        "wall_seconds": record.seconds,
    })
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(value).map_err(|error| Error::RunDir {
        operation: "write",
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    replace(path, &(json + "\n"))
}

/// Puts `content` in the place of a file: all of it, or what was there stays.
fn replace(path: &Path, content: &str) -> Result<(), Error> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    fs::write(&aside, content).map_err(failed("write", &aside))?;
    fs::rename(&aside, path).map_err(failed("rename", &aside))
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::RunDir { operation, path, why: error.to_string() }
}
