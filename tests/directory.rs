//! Coming back to a run directory, whatever is in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use image::RgbImage;
use proto::v1::RunState;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Instant,
};
use system_tests::{Coordinator, Ended, Scratch, binary, data_dir, pace, scratch};

/// Epochs of four steps.
const RUN: [&str; 6] = ["--limit-train", "128", "--batch-size", "32", "--limit-test", "250"];

fn with<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    [&RUN[..], flags].concat()
}

/// A run of its own that has done so many epochs.
fn done(epochs: &str) -> (Scratch, PathBuf, Ended) {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let ended = Coordinator::run(&run_dir, 1, &with(&["--epochs", epochs])).well();
    (directory, run_dir, ended)
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_finished_run_given_again_ends_at_once_and_stays_finished() {
    let (_directory, run_dir, ended) = done("1");
    let path = run_dir.join("summary.json");
    let summary = read(&path);
    // Nobody has to come for that.
    let again = Coordinator::start(&run_dir, &with(&["--workers", "4", "--epochs", "1"])).wait().well();
    assert!(again.log.contains("all 1 epochs are done: nothing is left to do"), "{}", again.log);
    assert_eq!(read(&path), summary);
    // A coordinator that was killed may have left no summary, or that of an earlier end.
    for left in ["", "{\"state\": \"stopped\"}"] {
        fs::write(&path, left).unwrap();
        let again = Coordinator::start(&run_dir, &RUN).wait().well().summary();
        for figure in ["state", "reason", "weights_sha256", "epochs", "steps", "test_loss", "workers"] {
            assert_eq!(again[figure], ended.summary()[figure], "{figure}");
        }
    }
}

#[test]
fn a_finished_run_is_served_and_being_stopped_does_not_change_how_it_ended() {
    let (directory, run_dir, _) = done("1");
    let summary = read(run_dir.join("summary.json"));
    let picture = directory.path().join("grey.png");
    RgbImage::from_pixel(32, 32, image::Rgb([128, 128, 128])).save(&picture).unwrap();
    let mut run = Coordinator::start(&run_dir, &with(&["--serve"]));
    let view = run.wait_until(|run| run.state() == RunState::Finished);
    assert_eq!(
        (view.epochs.len(), view.checkpoint.as_str(), view.reason.as_str()),
        (1, "step-00000004", "all 1 epochs are done")
    );
    let cox =
        Command::new(binary("cox")).args(["--coordinator", &run.url(), "predict", "--json"]).arg(&picture).output();
    let answer: Value = serde_json::from_slice(&cox.unwrap().stdout).unwrap();
    assert_eq!(answer["checkpoint"], "step-00000004");
    let cox = Command::new(binary("cox")).args(["--coordinator", &run.url(), "stop"]).output().unwrap();
    assert!(!cox.status.success() && String::from_utf8_lossy(&cox.stderr).contains("over already"));
    run.terminate();
    let _ = run.wait().well();
    assert_eq!(read(run_dir.join("summary.json")), summary);
}

/// P1: how long a run is changes nothing of what it does.
#[test]
fn a_run_that_becomes_longer_is_what_it_would_have_been() {
    let (directory, run_dir, _) = done("1");
    let whole = Coordinator::run(&directory.path().join("whole"), 1, &with(&["--epochs", "2"])).well();
    let from = run_dir.join("checkpoints/step-00000004");
    let flags = with(&["--epochs", "2", "--resume", from.to_str().unwrap()]);
    let elsewhere = Coordinator::run(&directory.path().join("elsewhere"), 1, &flags).well();
    let longer = Coordinator::run(&run_dir, 1, &with(&["--epochs", "2"])).well();
    assert_eq!([elsewhere.weights(), longer.weights()], [whole.weights(), whole.weights()]);
    assert_eq!((longer.metrics().len(), elsewhere.metrics().len()), (2, 1));
    let config: Value = serde_json::from_str(&read(run_dir.join("config.json"))).unwrap();
    assert_eq!((&config["epochs"], &longer.summary()["epochs"]), (&2.into(), &2.into()));
    // What is not given is what the run has.
    assert_eq!(Coordinator::start(&run_dir, &RUN).wait().well().summary()["epochs"], 2);
    let refused = Coordinator::fails(&run_dir, &with(&["--epochs", "1"]));
    assert_eq!(refused.code, 4, "{}", refused.log);
    assert!(refused.log.contains("epochs: 2 -> 1 (2 are begun or done already)"), "{}", refused.log);
}

#[test]
fn a_schedule_over_all_epochs_is_why_a_run_cannot_become_longer() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let cosine = with(&["--schedule", "cosine", "--epochs"]);
    let _ = Coordinator::run(&run_dir, 1, &[&cosine[..], &["1"]].concat()).well();
    let why = "epochs: 1 -> 2 (the cosine schedule spreads over all epochs, so that their number cannot change)";
    let longer = [&cosine[..], &["2"]].concat();
    let refused = Coordinator::fails(&run_dir, &longer);
    assert!(refused.code == 4 && refused.log.contains(why), "{}", refused.log);
    let from = run_dir.join("checkpoints/step-00000004");
    let flags = [&longer[..], &["--resume", from.to_str().unwrap()]].concat();
    let refused = Coordinator::fails(&directory.path().join("new"), &flags);
    assert!(refused.code == 4 && refused.log.contains(why), "{}", refused.log);
    let whose = format!("checkpoint {} is of a run with another configuration", from.display());
    assert!(refused.log.contains(&whose) && !refused.log.contains("new holds a run"), "{}", refused.log);
}

#[test]
fn a_command_that_resumes_a_checkpoint_can_be_given_again_and_again() {
    let (directory, other, _) = done("2");
    let whole = Coordinator::run(&directory.path().join("whole"), 1, &with(&["--epochs", "4"])).well();
    let from = other.join("checkpoints/step-00000004");
    let run_dir = directory.path().join("new");
    let command = with(&["--local", "--epochs", "4", "--resume", from.to_str().unwrap()]);
    let variables = [("COXSWAIN_FAULT", pace(50))];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    // As a supervisor does: it is killed with its workers, and the command given again.
    let mut run = Coordinator::start_within(&variables, &run_dir, &command);
    run.wait_until(|run| *run.checkpoint >= *"step-00000008");
    drop(run);
    let saved = read(run_dir.join("checkpoints/latest"));
    assert!(*saved >= *"step-00000008", "{saved}");
    let ended = Coordinator::start(&run_dir, &command).wait().well();
    assert!(ended.log.contains("was taken in already"), "{}", ended.log);
    assert!(ended.log.contains(&format!("going on from checkpoint {}", saved.trim())), "{}", ended.log);
    assert_eq!(ended.weights(), whole.weights());
    assert_eq!(ended.metrics().iter().map(|line| line["epoch"].clone()).collect::<Vec<_>>(), [2, 3, 4]);
    let again = Coordinator::start(&run_dir, &command).wait().well();
    assert!(again.log.contains("nothing is left to do"), "{}", again.log);
    // Another one given on purpose is gone on from.
    let second = other.join("checkpoints/step-00000008");
    let command = with(&["--local", "--epochs", "4", "--resume", second.to_str().unwrap()]);
    let ended = Coordinator::start(&run_dir, &command).wait().well();
    assert!(ended.log.contains("going on from checkpoint step-00000008 at epoch 3, step 0"), "{}", ended.log);
    assert_eq!(ended.weights(), whole.weights());
    assert_eq!(ended.metrics().iter().map(|line| line["epoch"].clone()).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn a_coordinator_that_is_killed_while_it_takes_a_checkpoint_in_leaves_what_the_next_one_goes_on_with() {
    const MOMENTS: u32 = 24;
    let (directory, run_dir, _) = done("2");
    let other = directory.path().join("other");
    let expected = Coordinator::run(&other, 1, &with(&["--epochs", "2"])).well();
    let path = |name: &str| other.join("checkpoints").join(name).to_str().unwrap().to_owned();
    let (first, second) = (path("step-00000004"), path("step-00000008"));
    let [resume, other_one] = [&first, &second].map(|path| with(&["--epochs", "2", "--resume", path]));
    let start = Instant::now();
    drop(Coordinator::start(&directory.path().join("measured"), &resume));
    let whole = start.elapsed();
    for moment in 0..MOMENTS {
        // Another one each time, so that each takes one in.
        let flags = if moment % 2 == 0 { &resume } else { &other_one };
        let mut command = Command::new(binary("coordinator"));
        command
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir())
            .args(flags)
            .arg("--run-dir")
            .arg(&run_dir);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(whole * moment / MOMENTS);
        // It may have ended: the second one is complete.
        let _ = child.kill();
        child.wait().unwrap();
    }
    let ended = Coordinator::run(&run_dir, 1, &resume).well();
    assert_eq!(ended.weights(), expected.weights(), "{}", ended.log);
    assert_eq!(ended.metrics().iter().map(|line| line["epoch"].clone()).collect::<Vec<_>>(), [2]);
    let mut left: Vec<String> = fs::read_dir(run_dir.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["latest", "step-00000004", "step-00000008"]);
}

#[test]
fn workers_that_hold_a_state_of_the_run_before_do_not_bring_it_into_the_next() {
    let directory = scratch();
    let (run_dir, other) = (directory.path().join("run"), directory.path().join("other"));
    // Of the same configuration and yet another course, as no training comes to.
    let _ = Coordinator::run(&other, 1, &with(&["--epochs", "3", "--seed", "7"])).well();
    let from = other.join("checkpoints/step-00000004");
    let manifest = from.join("manifest.json");
    fs::write(&manifest, read(&manifest).replace("\"seed\": 7", "\"seed\": 0")).unwrap();
    let command = with(&["--local", "--epochs", "3"]);
    let resume = [&command[..], &["--resume", from.to_str().unwrap()]].concat();
    let expected = Coordinator::start(&directory.path().join("alone"), &resume).wait().well();
    let pace = pace(100);
    let mut run = Coordinator::start_within(&[("COXSWAIN_FAULT", pace.as_str())], &run_dir, &command);
    let before = run.wait_until(|run| run.epoch == 1 && run.step >= 1 && !run.checkpoint.is_empty());
    // The coordinator dies, its worker lives on, further than the checkpoint that is gone on from next.
    let mut run = run.killed_and_restarted(&resume, || {});
    let after = run.wait_until(|run| run.state() == RunState::Training);
    assert_ne!(after.id, before.id);
    let ended = run.wait().well();
    assert!(ended.log.contains("taking local-0 over"), "{}", ended.log);
    assert_eq!(ended.weights(), expected.weights());
    assert_eq!(ended.metrics().iter().map(|line| line["epoch"].clone()).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn what_a_newer_version_wrote_is_refused_by_name_and_left_as_it_is() {
    let (_directory, run_dir, _) = done("1");
    let manifest = run_dir.join("checkpoints/step-00000004/manifest.json");
    fs::write(&manifest, read(&manifest).replacen('{', "{\"colour\": 1,", 1)).unwrap();
    let before = read(&manifest);
    let refused = Coordinator::fails(&run_dir, &RUN);
    assert_eq!(refused.code, 8, "{}", refused.log);
    assert!(
        refused.log.contains("manifest.json is of a newer version of coxswain (unknown field `colour`"),
        "{}",
        refused.log
    );
    assert_eq!(read(&manifest), before);
    assert!(run_dir.join("checkpoints/step-00000004/model.safetensors").exists());
    let journal = run_dir.join("journal.sqlite");
    fs::write(&journal, "this is no journal, whatever it was".repeat(100)).unwrap();
    let refused = Coordinator::fails(&run_dir, &RUN);
    assert_eq!(refused.code, 9, "{}", refused.log);
    assert!(refused.log.contains("journal.sqlite: it is damaged (file is not a database)"), "{}", refused.log);
}

#[test]
fn a_run_that_diverges_fails_and_says_so_however_often() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let flags = ["--lr", "100", "--limit-train", "512", "--limit-test", "200", "--epochs", "3"];
    for _ in 0..2 {
        let ended = Coordinator::run(&run_dir, 1, &flags);
        assert_eq!(ended.code, 7, "{}", ended.log);
        let summary = ended.summary();
        let reason = summary["reason"].as_str().unwrap();
        assert!(
            reason.contains("training has diverged: the test loss of epoch ") && reason.contains("--lr"),
            "{reason}"
        );
        assert_eq!((&summary["state"], &summary["best_checkpoint"]), (&"failed".into(), &Value::Null));
        // As words, and in every line that a strict parser reads.
        let metrics = ended.metrics();
        let last = metrics.last().unwrap();
        assert!(matches!(last["test_loss"].as_str(), Some("NaN" | "Infinity")), "{last}");
        assert_eq!(summary["test_loss"], last["test_loss"]);
        assert!(!run_dir.join("checkpoints/latest").exists());
    }
}
