//! The figures of a run as TensorBoard's own reader finds them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::{path::Path, process::Command};
use system_tests::{Ended, TestRun, python, scratch};

/// What the real package reads.
fn read(directory: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/read_events.py");
    let output = Command::new(python()).arg(script).arg(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Asserts that each figure of each epoch is there once.
fn agree(ended: &Ended, run_dir: &Path) {
    let found = read(&run_dir.join("tensorboard"));
    let names = [
        ("train/loss", "train_loss"),
        ("train/accuracy", "train_accuracy"),
        ("test/loss", "test_loss"),
        ("test/accuracy", "test_accuracy"),
        ("train/learning_rate", "lr"),
        ("perf/images_per_second", "images_per_second"),
    ];
    for (tag, name) in names {
        let figures: Vec<(u64, f32)> = serde_json::from_value(found["scalars"][tag].clone()).unwrap();
        let metrics = ended.metrics();
        let wanted = metrics.iter().map(|line| (line["epoch"].as_u64().unwrap(), line[name].as_f64().unwrap() as f32));
        assert_eq!(figures, wanted.collect::<Vec<_>>(), "{tag}");
    }
}

/// The epochs that have a picture of the grid.
fn pictures(run_dir: &Path) -> Vec<u64> {
    let found = read(&run_dir.join("tensorboard/grid"));
    let pictures: Vec<(u64, u32, u32)> = serde_json::from_value(found["images"]["test/grid"].clone()).unwrap();
    assert!(pictures.iter().all(|(_, width, height)| *width > 800 && *height > 800), "{pictures:?}");
    pictures.iter().map(|(epoch, ..)| *epoch).collect()
}

#[test]
fn every_figure_is_there_once_after_a_restart_too() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let ended = TestRun::small().local(1).epochs(2).ended(&run_dir);
    agree(&ended, &run_dir);
    // Short epochs may go without a picture. The last one has one.
    assert_eq!(pictures(&run_dir).last(), Some(&2));
    let ended = TestRun::small().local(1).epochs(3).ended(&run_dir);
    assert_eq!(ended.metrics().len(), 3);
    agree(&ended, &run_dir);
    let pictures = pictures(&run_dir);
    assert!(pictures.ends_with(&[2, 3]) && pictures.is_sorted_by(|a, b| a < b), "{pictures:?}");
}
