//! What is known of a checkpoint beside its tensors.

use plan::{Position, RunConfig, ScheduleState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    pub test_loss: Option<f64>,
    /// Test accuracy of these weights, likewise.
    pub test_accuracy: Option<f64>,
    /// The run's configuration.
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
pub struct FileDigest {
    /// In bytes.
    pub bytes: u64,
    /// In hexadecimal.
    pub sha256: String,
}
