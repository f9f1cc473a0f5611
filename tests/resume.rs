//! Stopping and going on: the same bytes as without a stop.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto::v1::RunState;
use std::{fs, path::Path, process::Command};
use system_tests::{Coordinator, TestRun, binary, fail_at, pace, scratch};

fn metrics(run_dir: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(run_dir.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_stop_in_the_middle_of_an_epoch_leaves_no_trace() {
    let directory = scratch();
    let (whole, stopped) = (directory.path().join("whole"), directory.path().join("stopped"));
    let expected = Coordinator::run(&whole, 2, &TestRun::three_epochs()).well().weights();

    let local = TestRun::three_epochs().local(2);
    let mut first = Coordinator::start_failing(&stopped, &local, &[fail_at(0, (1, 3), "slow=250")]);
    first.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    first.terminate();
    let ended = first.wait().well();
    let summary = ended.summary();
    assert_eq!(summary["state"], "stopped", "{}", ended.log);
    let steps = summary["steps"].as_u64().unwrap();
    assert!((14..33).contains(&steps), "stopped after {steps} steps");
    assert_ne!(summary["weights_sha256"], expected.as_str());

    // With another number of workers even.
    let ended = Coordinator::run(&stopped, 1, &TestRun::three_epochs()).well();
    assert_eq!(ended.summary()["state"], "finished");
    assert_eq!(ended.weights(), expected);
    let (metrics, undisturbed) = (metrics(&stopped), metrics(&whole));
    for figure in ["epoch", "train_loss", "train_accuracy", "train_images", "test_loss", "test_accuracy", "lr"] {
        let column = |rows: &[serde_json::Value]| rows.iter().map(|row| row[figure].clone()).collect::<Vec<_>>();
        assert_eq!(column(&metrics), column(&undisturbed), "{figure}");
    }

    // From any checkpoint, in a directory of its own.
    let from = stopped.join("checkpoints").join(format!("step-{steps:08}"));
    if from.exists() {
        let again = directory.path().join("again");
        let flags = TestRun::three_epochs().with(&["--resume", from.to_str().unwrap()]);
        assert_eq!(Coordinator::run(&again, 2, &flags).well().weights(), expected);
    }
}

/// P2 of the slots that an optimiser and an average have.
#[test]
fn a_kill_and_a_stop_leave_no_trace_in_moments_and_averages() {
    let directory = scratch();
    let (whole, stopped) = (directory.path().join("whole"), directory.path().join("stopped"));
    let how =
        ["--optimizer", "adamw", "--lr", "0.002", "--ema-decay", "0.8", "--warmup-epochs", "2", "--decay", "weights"];
    let flags = TestRun::three_epochs().local(2).with(&how);
    let undisturbed = Coordinator::start(&whole, &flags).wait().well();
    // The average is what is evaluated and saved as the model, so it is all that a checkpoint's digest covers.
    let kept = whole.join("checkpoints/step-00000033/training.safetensors");
    let names = String::from_utf8_lossy(&fs::read(kept).unwrap()).into_owned();
    for slot in ["\"parameters.", "\"running_statistics.", "\"first_moment.", "\"second_moment."] {
        assert!(names.contains(slot), "{slot}");
    }

    let mut first = Coordinator::start_failing(&stopped, &flags, &[fail_at(1, (0, 5), "kill"), pace(100)]);
    first.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    first.terminate();
    let ended = first.wait().well();
    assert_eq!(ended.summary()["state"], "stopped", "{}", ended.log);
    assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 1, "{}", ended.log);
    let ended = Coordinator::start(&stopped, &flags).wait().well();
    assert_eq!(ended.weights(), undisturbed.weights());
}

#[test]
fn a_client_stops_a_run_and_the_same_command_goes_on() {
    let directory = scratch();
    let (whole, stopped) = (directory.path().join("whole"), directory.path().join("stopped"));
    let expected = Coordinator::run(&whole, 2, &TestRun::three_epochs()).well().weights();
    let local = TestRun::three_epochs().local(2);
    let mut run = Coordinator::start_failing(&stopped, &local, &[fail_at(0, (1, 3), "slow=250")]);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    let cox = Command::new(binary("cox")).args(["--coordinator", &run.url(), "stop", "--reason", "enough"]).output();
    let output = cox.unwrap();
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    assert!(text.starts_with("stopped: asked to stop: enough (epoch 2, step "), "{text}");
    let ended = run.wait().well();
    assert_eq!(ended.summary()["state"], "stopped", "{}", ended.log);
    assert_eq!(Coordinator::run(&stopped, 2, &TestRun::three_epochs()).well().weights(), expected);
}

#[test]
fn a_checkpoint_of_an_earlier_epoch_can_be_gone_on_from() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let expected = Coordinator::run(&run_dir, 2, &TestRun::three_epochs()).well().weights();
    let from = run_dir.join("checkpoints/step-00000022");
    let flags = TestRun::three_epochs().with(&["--resume", from.to_str().unwrap()]);
    let ended = Coordinator::run(&run_dir, 2, &flags).well();
    assert_eq!(ended.weights(), expected);
    assert_eq!(metrics(&run_dir).len(), 3);
}

#[test]
fn metrics_that_a_killed_coordinator_left_incomplete_are_completed() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    assert_eq!(Coordinator::run(&run_dir, 2, &TestRun::three_epochs()).code, 0);
    let path = run_dir.join("metrics.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    // One line, and the beginning of the next.
    let first = whole.find('\n').unwrap();
    fs::write(&path, &whole[..first + 20]).unwrap();
    assert_eq!(Coordinator::run(&run_dir, 2, &TestRun::three_epochs()).code, 0);
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
}

#[test]
fn another_configuration_is_refused() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let quick = ["--limit-train", "64", "--batch-size", "32", "--limit-test", "250", "--epochs", "1"];
    assert_eq!(Coordinator::run(&run_dir, 1, &quick).code, 0);
    let other = ["--limit-train", "64", "--batch-size", "64", "--limit-test", "250", "--epochs", "2"];
    let refused = Coordinator::fails(&run_dir, &other);
    assert_eq!(refused.code, 4, "{}", refused.log);
    assert!(refused.log.contains("batch-size: 32 -> 64"), "{}", refused.log);
    // By itself that one would be granted.
    assert!(!refused.log.contains("epochs"), "{}", refused.log);
    let refused = Coordinator::fails(&run_dir, &[&quick[..], &["--accumulate", "2"]].concat());
    assert_eq!(refused.code, 4, "{}", refused.log);
    assert!(refused.log.contains("shards: 1 -> 2"), "{}", refused.log);
    let refused = Coordinator::fails(&run_dir, &[&quick[..], &["--resume", "never"]].concat());
    assert_eq!(refused.code, 4, "{}", refused.log);
    // The same again has nothing left to do.
    assert_eq!(Coordinator::run(&run_dir, 1, &quick).well().summary()["state"], "finished");
}

#[test]
fn a_truncated_checkpoint_is_passed_over_or_refused_by_name() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let expected = Coordinator::run(&run_dir, 2, &TestRun::three_epochs()).well().weights();
    let newest = run_dir.join("checkpoints/step-00000033");
    let model = newest.join("model.safetensors");
    let content = fs::read(&model).unwrap();
    fs::write(&model, &content[..1000]).unwrap();
    let flags = TestRun::three_epochs().with(&["--resume", newest.to_str().unwrap()]);
    let refused = Coordinator::fails(&directory.path().join("other"), &flags);
    assert_eq!(refused.code, 8, "{}", refused.log);
    assert!(refused.log.contains("model.safetensors is damaged: it has 1000 bytes"), "{}", refused.log);
    // By itself the run takes the one before, and comes to the same end.
    let ended = Coordinator::run(&run_dir, 2, &TestRun::three_epochs()).well();
    assert!(ended.log.contains("taking the one before"), "{}", ended.log);
    assert_eq!(ended.weights(), expected);
}
