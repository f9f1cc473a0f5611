//! An alert as it leaves the coordinator.

use alerts::Alert;
use proto::v1::Run;
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// The version of its fields. Fields may come; none goes without another version.
const VERSION: u32 = 1;

/// An alert, and where the run was. Chat services that take webhooks show `text`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Note {
    version: u32,
    #[serde(flatten)]
    alert: Alert,
    /// Seconds since 1970.
    at: f64,
    run_id: String,
    model: String,
    /// The epoch in progress, from 0, and its next step.
    epoch: u32,
    step: u32,
    test_accuracy: Option<f64>,
}

impl Note {
    /// Of `alert`, when the run was as in `run`.
    pub fn new(alert: &Alert, run: &Run) -> Self {
        Self {
            version: VERSION,
            alert: alert.clone(),
            at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
            run_id: run.id.clone(),
            model: run.model().unwrap_or_default().to_owned(),
            epoch: run.epoch,
            step: run.step,
            test_accuracy: run.epochs.last().map(|epoch| epoch.test_accuracy).filter(|accuracy| accuracy.is_finite()),
        }
    }

    /// When, in seconds since 1970.
    pub fn at(&self) -> f64 {
        self.at
    }

    /// The alert in words.
    pub fn text(&self) -> &str {
        &self.alert.text
    }

    /// As JSON.
    pub fn json(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|error| error.to_string())
    }
}
