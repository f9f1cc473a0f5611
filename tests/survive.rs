//! A worker killed in the middle of an epoch: nothing is lost, and nobody can tell from the weights.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::v1::RunState;
use system_tests::Coordinator;

/// Three epochs of ten steps and a small one.
const RUN: [&str; 10] =
    ["--limit-train", "650", "--batch-size", "64", "--limit-test", "300", "--epochs", "3", "--shards", "2"];

#[test]
fn a_killed_worker_leaves_no_trace_in_the_weights() {
    let directory = tempfile::tempdir().unwrap();
    let expected = Coordinator::run(&directory.path().join("undisturbed"), 2, &RUN).well();

    let flags = [&["--local", "--workers", "2"][..], &RUN].concat();
    let mut run = Coordinator::start(&directory.path().join("killed"), &flags);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    kill(Pid::from_raw(run.worker("local-1") as i32), Signal::SIGKILL).unwrap();
    let ended = run.wait().well();

    assert_eq!(ended.weights(), expected.weights(), "{}", ended.log);
    let (summary, undisturbed) = (ended.summary(), expected.summary());
    for figure in ["steps", "train_images", "test_accuracy", "test_loss", "per_class_accuracy"] {
        assert_eq!(summary[figure], undisturbed[figure], "{figure}");
    }
    assert_eq!(undisturbed["recoveries"].as_array().unwrap().len(), 0);
    let recoveries = summary["recoveries"].as_array().unwrap();
    assert!(!recoveries.is_empty(), "{}", ended.log);
    assert!(recoveries[0]["kind"].as_str().unwrap().contains("local-1"), "{recoveries:?}");
    assert!(recoveries[0]["resumed_ms"].as_u64().is_some(), "{recoveries:?}");
}
