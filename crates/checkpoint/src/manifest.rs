//! What is known of a checkpoint beside its tensors.

use crate::Error;
use config::RunConfig;
use plan::Position;
use schedule::ScheduleState;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// The version of the layout of checkpoints.
pub(crate) const FORMAT: u32 = 1;

/// `manifest.json`. A field that is not among these is a newer version's, and may change what the others mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the layout of checkpoints; 1.
    pub format: u32,
    /// The run that wrote it.
    pub run_id: String,
    /// The next step.
    pub position: Position,
    /// Steps done since the run began: `num_batches_tracked`.
    pub steps_done: u64,
    /// The learning-rate schedule at that position.
    pub schedule: ScheduleState,
    /// Test loss of these weights, where they were evaluated: at the end of an epoch.
    #[serde(with = "plan::number::optional")]
    pub test_loss: Option<f64>,
    /// Test accuracy of these weights, likewise.
    #[serde(with = "plan::number::optional")]
    pub test_accuracy: Option<f64>,
    /// The run's configuration. An earlier version's is read as one of this version.
    #[serde(deserialize_with = "config::of_any_version")]
    pub config: RunConfig,
    /// Seconds since 1970 when it was written.
    pub written_at: u64,
    /// SHA-256 over names and bytes of the state dict, in name order.
    pub weights_sha256: String,
    /// The other files.
    pub files: BTreeMap<String, FileDigest>,
}

/// Size and checksum of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// The length of the file.
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Makes sense of `json`, the content of `file`: of all of it, or of nothing.
    pub(crate) fn parse(file: &Path, json: &[u8]) -> Result<Self, Error> {
        let damaged = |error: &dyn ToString| Error::damaged(file, &error.to_string());
        let value: serde_json::Value = serde_json::from_slice(json).map_err(|error| damaged(&error))?;
        // Before anything else: of another format nothing is known.
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) if format > u64::from(FORMAT) => {
                let why = format!("its format is {format}, and this version knows {FORMAT}");
                return Err(Error::newer(file, &why));
            }
            _ => return Err(damaged(&"it does not say of which format it is")),
        }
        let manifest: Self = serde_json::from_value(value).map_err(|error| match error.to_string() {
            // serde has no other way to tell what is not known from what is wrong.
            why if why.starts_with("unknown ") => Error::newer(file, &why),
            why => damaged(&why),
        })?;
        manifest.config.architecture().map_err(|error| Error::newer(file, &error))?;
        manifest.config.check().map_err(|error| damaged(&error))?;
        let steps = manifest.config.steps().count();
        let Self { position, steps_done, .. } = manifest;
        if position.step > steps || position.steps_done(steps) != steps_done {
            return Err(damaged(&format!("{position} of {steps} steps an epoch is not after {steps_done} steps")));
        }
        let rate = manifest.schedule.rate;
        let rule = manifest.config.schedule.rule();
        if !(0.0..=f64::from(f32::MAX)).contains(&rate) || (rate == 0.0 && rule.lowest() != Some(0.0)) {
            return Err(damaged(&format!("its learning rate is {rate}")));
        }
        rule.check_memory(&manifest.schedule.memory).map_err(|why| damaged(&why))?;
        Ok(manifest)
    }

    /// Whether these weights were evaluated, to a loss that is a number.
    #[must_use]
    pub fn is_evaluated(&self) -> bool {
        self.test_loss.is_some_and(f64::is_finite)
    }
}
