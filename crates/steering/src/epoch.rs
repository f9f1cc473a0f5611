//! What is recorded of an epoch.

use plan::Confusion;
use schedule::ScheduleState;
use serde::{Deserialize, Serialize};

/// One epoch's figures. Fractions are 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// From 0.
    pub epoch: u32,
    /// Mean cross-entropy over the epoch's samples, in nats.
    #[serde(with = "plan::number")]
    pub train_loss: f64,
    /// Of the epoch's samples, as they were trained.
    #[serde(with = "plan::number")]
    pub train_accuracy: f64,
    /// Samples trained.
    pub train_images: u64,
    /// Mean cross-entropy over the test set.
    #[serde(with = "plan::number")]
    pub test_loss: f64,
    /// Over the test set.
    #[serde(with = "plan::number")]
    pub test_accuracy: f64,
    /// Answers by class.
    pub confusion: Confusion,
    /// The learning rate of the epoch's last step.
    #[serde(with = "plan::number")]
    pub lr: f64,
    /// Training and evaluation, in seconds.
    #[serde(with = "plan::number")]
    pub seconds: f64,
    /// Of training alone, in seconds; only what was measured, so without steps of a generation that failed.
    #[serde(with = "plan::number")]
    pub train_seconds: f64,
    /// Over `train_seconds`.
    #[serde(with = "plan::number")]
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
        self.images = self.images.saturating_add(other.images);
    }

    /// 0 where nothing was measured.
    #[must_use]
    pub fn images_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.images as f64 / self.seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: f64) -> EpochRecord {
        EpochRecord {
            epoch: 1,
            train_loss: number,
            train_accuracy: number,
            train_images: 2,
            test_loss: number,
            test_accuracy: number,
            confusion: Confusion::new(2),
            lr: number,
            seconds: number,
            train_seconds: number,
            images_per_second: number,
            note: None,
            schedule: ScheduleState { rate: number, ..ScheduleState::new(0.1) },
        }
    }

    #[test]
    fn numbers_that_are_none_survive() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let json = serde_json::to_string(&record(number)).unwrap();
            let read: EpochRecord = serde_json::from_str(&json).unwrap();
            // NaN is not even equal to itself.
            assert_eq!(format!("{read:?}"), format!("{:?}", record(number)));
        }
    }

    #[test]
    fn what_earlier_versions_wrote_for_them_is_read_and_what_a_newer_one_adds_is_not() {
        let json = serde_json::to_string(&record(1.5)).unwrap();
        let old = json.replace("\"test_loss\":1.5", "\"test_loss\":null");
        assert!(serde_json::from_str::<EpochRecord>(&old).unwrap().test_loss.is_nan());
        let new = json.replacen('{', "{\"colour\":1,", 1);
        let error = serde_json::from_str::<EpochRecord>(&new).unwrap_err().to_string();
        assert!(error.starts_with("unknown field `colour`"), "{error}");
    }
}
