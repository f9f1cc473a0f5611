//! `metrics.jsonl`: a line an epoch.

use super::files::{failed, replace, unspeakable};
use crate::error::Error;
use plan::number;
use serde::Serialize;
use std::{fs::OpenOptions, io::Write, path::Path};
use steering::EpochRecord;

/// The name of the file.
pub const METRICS: &str = "metrics.jsonl";

/// Adds an epoch to `metrics.jsonl`.
///
/// # Errors
/// If the file system refuses.
pub fn append_metrics(run_dir: &Path, record: &EpochRecord) -> Result<(), Error> {
    let path = run_dir.join(METRICS);
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed("open", &path))?;
    file.write_all(line(&path, record)?.as_bytes()).map_err(failed("write", &path))
}

/// Writes `metrics.jsonl` anew.
///
/// # Errors
/// If the file system refuses.
pub fn write_metrics(run_dir: &Path, history: &[EpochRecord]) -> Result<(), Error> {
    let path = run_dir.join(METRICS);
    let lines: Vec<String> = history.iter().map(|record| line(&path, record)).collect::<Result<_, _>>()?;
    replace(&path, &lines.concat())
}

/// A line of `metrics.jsonl`.
#[derive(Debug, Serialize)]
struct Metrics {
    /// From 1.
    epoch: u32,
    #[serde(with = "number")]
    train_loss: f64,
    #[serde(with = "number")]
    train_accuracy: f64,
    train_images: u64,
    #[serde(with = "number")]
    test_loss: f64,
    #[serde(with = "number")]
    test_accuracy: f64,
    test_images: u64,
    #[serde(with = "number::list")]
    per_class_accuracy: Vec<f64>,
    #[serde(with = "number")]
    lr: f64,
    #[serde(with = "number")]
    images_per_second: f64,
    #[serde(with = "number")]
    train_seconds: f64,
    #[serde(with = "number")]
    wall_seconds: f64,
}

impl From<&EpochRecord> for Metrics {
    fn from(record: &EpochRecord) -> Self {
        Self {
            epoch: record.epoch + 1,
            train_loss: record.train_loss,
            train_accuracy: record.train_accuracy,
            train_images: record.train_images,
            test_loss: record.test_loss,
            test_accuracy: record.test_accuracy,
            test_images: record.confusion.images(),
            per_class_accuracy: record.confusion.per_class_accuracy(),
            lr: record.lr,
            images_per_second: record.images_per_second,
            train_seconds: record.train_seconds,
            wall_seconds: record.seconds,
        }
    }
}

/// An epoch as a line of `metrics.jsonl`.
fn line(path: &Path, record: &EpochRecord) -> Result<String, Error> {
    Ok(serde_json::to_string(&Metrics::from(record)).map_err(unspeakable(path))? + "\n")
}

#[cfg(test)]
pub(super) mod testing {
    use plan::Confusion;
    use schedule::ScheduleState;
    use serde_json::Value;
    use steering::EpochRecord;

    pub fn record(number: f64) -> EpochRecord {
        EpochRecord {
            epoch: 0,
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

    /// The fields of an object that are no finite numbers, and what they are.
    pub fn words(value: &Value) -> Vec<(&str, &str)> {
        let fields = value.as_object().unwrap().iter();
        fields.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        testing::{record, words},
        *,
    };
    use serde_json::Value;
    use std::fs;

    #[test]
    fn numbers_that_are_none_are_words_for_scripts_and_never_null() {
        let directory = tempfile::tempdir().unwrap();
        write_metrics(directory.path(), &[record(0.5)]).unwrap();
        append_metrics(directory.path(), &record(f64::NAN)).unwrap();
        append_metrics(directory.path(), &record(f64::NEG_INFINITY)).unwrap();
        let text = fs::read_to_string(directory.path().join("metrics.jsonl")).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let numbers = |line: &Value| line.as_object().unwrap().values().filter(|value| value.is_number()).count();
        assert_eq!((words(&lines[0]), numbers(&lines[0])), (vec![], 11));
        for (line, word) in [(&lines[1], "NaN"), (&lines[2], "-Infinity")] {
            assert_eq!((numbers(line), words(line).len()), (3, 8), "{line}");
            assert!(words(line).iter().all(|(_, found)| *found == word), "{line}");
            assert!(!line.as_object().unwrap().values().any(Value::is_null), "{line}");
        }
    }
}
