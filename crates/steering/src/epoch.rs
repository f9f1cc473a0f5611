//! What is recorded of an epoch.

use plan::{Confusion, ScheduleState};
use serde::{Deserialize, Serialize};

/// One epoch's figures. Fractions are 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 0.
    pub epoch: u32,
    /// Mean cross-entropy over the epoch's samples, in nats.
    pub train_loss: f64,
    /// Of the epoch's samples, as they were trained.
    pub train_accuracy: f64,
    /// Samples trained.
    pub train_images: u64,
    /// Mean cross-entropy over the test set.
    pub test_loss: f64,
    /// Over the test set.
    pub test_accuracy: f64,
    /// Answers by class.
    pub confusion: Confusion,
    /// The learning rate of the epoch's last step.
    pub lr: f64,
    /// Training and evaluation, in seconds.
    pub seconds: f64,
    /// Of training alone, in seconds; only what was measured, so without steps of a generation that failed.
    pub train_seconds: f64,
    /// Over `train_seconds`.
    pub images_per_second: f64,
    /// What the schedule did after this epoch, in words.
    pub note: Option<String>,
    /// The schedule after this epoch.
    pub schedule: ScheduleState,
}

/// Time and images of steps that were measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stretch {
    /// Time in steps.
    pub seconds: f64,
    /// Images that the cluster trained in it.
    pub images: u64,
}

impl Stretch {
    /// Adds another stretch.
    pub fn add(&mut self, other: Self) {
        self.seconds += other.seconds;
        self.images += other.images;
    }

    /// 0 where nothing was measured.
    #[must_use]
    pub fn images_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.images as f64 / self.seconds } else { 0.0 }
    }
}
