//! The run directory of a run that is over: what a live coordinator would tell of it.

use crate::error::Failure;
use chronicle::Chronicle;
use proto::v1::{Run, RunState};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use view::records::{self, Stored};

/// Failures that are shown of a run that survived many: as many as a coordinator shows.
const RECOVERIES: usize = 16;

/// What was read of a run directory.
#[derive(Debug)]
pub struct Directory {
    /// What the run has been through.
    pub chronicle: Chronicle,
    /// The checkpoints that are there.
    pub stored: Vec<Stored>,
    ending: Option<Ending>,
}

/// What is needed of summary.json.
#[derive(Debug, Deserialize)]
struct Ending {
    state: String,
    reason: String,
    #[serde(default)]
    weights_sha256: Option<String>,
    #[serde(default)]
    wall_seconds: Option<f64>,
}

/// What is needed of a manifest.
#[derive(Debug, Deserialize)]
struct Manifest {
    run_id: String,
    position: Place,
    steps_done: u64,
    #[serde(default, with = "plan::number::optional")]
    test_loss: Option<f64>,
    #[serde(default, with = "plan::number::optional")]
    test_accuracy: Option<f64>,
    written_at: u64,
    weights_sha256: String,
    files: BTreeMap<String, File>,
}

#[derive(Debug, Deserialize)]
struct Place {
    epoch: u32,
    step: u32,
}

#[derive(Debug, Deserialize)]
struct File {
    bytes: u64,
}

impl Directory {
    /// Reads the run in `run_dir`. Nothing in it changes.
    ///
    /// # Errors
    /// If there is no run, a coordinator is at work on it, or it cannot be read.
    pub fn read(run_dir: &Path) -> Result<Self, Failure> {
        let chronicle = chronicle::read(run_dir)?;
        let stored = stored(&run_dir.join("checkpoints"), chronicle.id())?;
        let ending = json(&run_dir.join("summary.json"))?;
        Ok(Self { chronicle, stored, ending })
    }

    /// Steps of an epoch; 0 if the configuration does not tell.
    #[must_use]
    pub fn steps(&self) -> u32 {
        let setting = |name: &str| self.chronicle.config().get(name).and_then(Value::as_u64);
        match (setting("train_samples"), setting("batch_size")) {
            (Some(samples), Some(batch)) if batch > 0 => samples.div_ceil(batch) as u32,
            _ => 0,
        }
    }

    /// The run, as its coordinator showed it last.
    #[must_use]
    pub fn run(&self) -> Run {
        let newest = self.stored.iter().max_by_key(|stored| stored.steps_done);
        let best = records::best(&self.stored);
        let epochs: Vec<_> = self.chronicle.epochs().iter().map(records::epoch).collect();
        let skipped = self.chronicle.recoveries().len().saturating_sub(RECOVERIES);
        let last = self.chronicle.epochs().last();
        let (state, reason) = self.end();
        let of_summary = |summary: Option<&Ending>| summary.and_then(|ending| ending.weights_sha256.clone());
        Run {
            id: self.chronicle.id().to_owned(),
            state: state.into(),
            reason,
            epoch: newest.map_or_else(|| last.map_or(0, |last| last.epoch + 1), |newest| newest.epoch),
            step: newest.map_or(0, |newest| newest.step),
            steps_per_epoch: self.steps(),
            learning_rate: last.map_or(f64::NAN, |last| last.schedule.rate),
            generation: self.chronicle.generations().next_back().map_or(0, |generation| generation.generation),
            epochs,
            config: Some(proto::to_message(self.chronicle.config())),
            checkpoint: newest.map_or_else(String::new, |newest| newest.name.clone()),
            best_checkpoint: best.map_or_else(String::new, |best| best.name.clone()),
            best_accuracy: best.and_then(|best| best.test_accuracy),
            wall_seconds: self.ending.as_ref().and_then(|ending| ending.wall_seconds).unwrap_or_default(),
            events: self.chronicle.next_event(),
            recoveries: self.chronicle.recoveries().skip(skipped).map(records::recovery).collect(),
            weights_sha256: newest
                .map(|newest| newest.weights_sha256.clone())
                .or_else(|| of_summary(self.ending.as_ref()))
                .unwrap_or_default(),
            ..Run::default()
        }
    }

    fn end(&self) -> (RunState, String) {
        let Some(ending) = &self.ending else {
            let reason = "it has no summary.json: its coordinator did not come to an end";
            return (RunState::Unspecified, reason.to_owned());
        };
        let state = match ending.state.as_str() {
            "finished" => RunState::Finished,
            "stopped" => RunState::Stopped,
            "failed" => RunState::Failed,
            _ => RunState::Unspecified,
        };
        (state, ending.reason.clone())
    }
}

/// The checkpoints of the run `id` in `root`. What cannot be read counts for nothing, as for a coordinator.
fn stored(root: &Path, id: &str) -> Result<Vec<Stored>, Failure> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(root, &error)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| unreadable(root, &error))?.file_name().to_string_lossy().into_owned();
        if !name.starts_with("step-") {
            continue;
        }
        let Ok(Some(manifest)) = json::<Manifest>(&root.join(&name).join("manifest.json")) else { continue };
        if manifest.run_id == id {
            all.push(of_manifest(name, manifest));
        }
    }
    all.sort_by_key(|stored| stored.steps_done);
    Ok(all)
}

fn of_manifest(name: String, manifest: Manifest) -> Stored {
    Stored {
        name,
        epoch: manifest.position.epoch,
        step: manifest.position.step,
        steps_done: manifest.steps_done,
        test_accuracy: manifest.test_accuracy,
        test_loss: manifest.test_loss,
        written_at: manifest.written_at as f64,
        bytes: manifest.files.values().map(|file| file.bytes).sum(),
        weights_sha256: manifest.weights_sha256,
    }
}

/// What is in a file of JSON; nothing if there is none.
fn json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(path, &error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, why: &dyn ToString) -> Failure {
    chronicle::Error::Unreadable { path: PathBuf::from(path), why: why.to_string() }.into()
}
