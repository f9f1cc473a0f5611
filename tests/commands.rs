//! What people and scripts ask of a run while it goes on, and of one that is over.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto::v1::{
    GetRunRequest, ListEventsRequest, Run, RunState, SaveCheckpointRequest, training_client::TrainingClient,
};
use serde_json::Value;
use std::{
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};
use system_tests::{Coordinator, TestRun, assert_same, binary, members, pace, scratch, undisturbed};

fn cox(arguments: &[&str]) -> Output {
    Command::new(binary("cox")).args(arguments).output().unwrap()
}

/// What `cox --json` says of `run`.
fn asked(run: &Coordinator, arguments: &[&str]) -> Value {
    let output = cox(&[&["--coordinator", &run.url(), "--json"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `cox --json` says of the run in `directory`.
fn read(directory: &Path, arguments: &[&str]) -> Value {
    let directory = directory.to_str().unwrap();
    let output = cox(&[arguments, &["--json", "--run-dir", directory]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn condition<'a>(run: &'a Value, kind: &str) -> &'a Value {
    run["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == kind).unwrap()
}

/// Two local workers that take their time.
fn paced(run_dir: &Path) -> Coordinator {
    Coordinator::start_failing(run_dir, &TestRun::small().local(2), &[pace(100)])
}

/// P1, P2: a pause and a checkpoint that somebody asks for leave no mark.
#[test]
fn a_pause_and_a_checkpoint_leave_no_mark() {
    let directory = scratch();
    let expected = undisturbed(&TestRun::small());
    let run_dir = directory.path().join("paused");
    let mut run = paced(&run_dir);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 2);
    let paused = asked(&run, &["pause", "--reason", "a look"]);
    assert_eq!((&paused["state"], &paused["reason"]), (&"paused".into(), &"asked to pause: a look".into()));
    assert_eq!(condition(&paused, "Progressing")["reason"], "Paused");
    assert_eq!(condition(&paused, "CheckpointDurable")["status"], "true");
    thread::sleep(Duration::from_secs(2));
    let still = run.wait_until(|run| run.state() == RunState::Paused);
    assert_eq!((still.workers.len(), members(&still), u64::from(still.step)), (2, 0, paused["step"].as_u64().unwrap()));
    // Nothing is newer than what the pause has saved.
    assert_eq!(asked(&run, &["checkpoint"])["name"], paused["checkpoint"]);
    asked(&run, &["resume"]);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 2);
    let saved = asked(&run, &["checkpoint"]);
    assert!(saved["name"].as_str() > paused["checkpoint"].as_str(), "{saved}");
    assert_eq!((&saved["on_disk"], &saved["newest"]), (&true.into(), &true.into()));
    let history = asked(&run, &["history"]);
    assert_eq!(history.as_array().unwrap().len(), 2);
    let ended = run.wait().well();
    assert_same(&ended, expected);
    assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 0, "{}", ended.log);
    look_at_what_is_left(&run_dir, &ended.weights());
}

/// What a run has left says the same of it.
fn look_at_what_is_left(run_dir: &Path, weights: &str) {
    let directory = run_dir.to_str().unwrap();
    let status = read(run_dir, &["status", "--expect-sha256", weights, "--require", "epochs_done=3"]);
    assert_eq!((&status["state"], &status["weights_sha256"]), (&"finished".into(), &weights.into()));
    let other = cox(&["status", "--run-dir", directory, "--expect-sha256", &"0".repeat(64)]);
    assert_eq!(other.status.code(), Some(5), "{other:?}");
    let better = cox(&["history", "--run-dir", directory, "--require", "best_accuracy>1"]);
    assert_eq!(better.status.code(), Some(5), "{better:?}");
    assert!(String::from_utf8_lossy(&better.stderr).contains("best_accuracy>1: best_accuracy is 0."), "{better:?}");
    assert_eq!(read(run_dir, &["history", "--tail", "1"])[0]["epoch"], 2);
    let events = read(run_dir, &["events", "--grep", "PAUSE"]);
    assert_eq!(events[0]["text"], "asked to pause: a look");
    let counted = read(run_dir, &["query", "--sql", "SELECT sum(images) AS images FROM confusion WHERE epoch = 2"]);
    assert_eq!(counted[0]["images"], 300);
    let newest = read(run_dir, &["query", "--sql", "SELECT weights_sha256 FROM checkpoints WHERE newest"]);
    assert_eq!(newest[0]["weights_sha256"], weights);
    let compared = cox(&["--json", "compare", directory, directory]);
    let compared: Value = serde_json::from_slice(&compared.stdout).unwrap();
    assert_eq!(compared["settings"], serde_json::json!({}));
    assert_eq!(compared["runs"][1]["weights_sha256"], weights);
}

/// A coordinator that is killed while its run is paused comes back to a run that goes on.
#[test]
fn a_pause_ends_with_its_coordinator_and_nothing_is_lost() {
    let directory = scratch();
    let expected = undisturbed(&TestRun::small());
    let run_dir = directory.path().join("killed");
    let mut run = paced(&run_dir);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 2);
    asked(&run, &["pause"]);
    // A worker that dies in a pause is no loss either.
    let victim = run.worker("local-1");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(victim as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
    run.wait_until(|run| run.state() == RunState::Paused && run.workers.len() < 2);
    let run = run.killed_and_restarted(&TestRun::small().local(2), || ());
    assert_same(&run.wait().well(), expected);
}

#[test]
fn a_run_that_is_paused_can_be_stopped() {
    let directory = scratch();
    let run_dir = directory.path().join("stopped");
    let mut run = paced(&run_dir);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 0 && run.step >= 2);
    let paused = asked(&run, &["pause"]);
    assert_eq!(asked(&run, &["stop"])["state"], "stopped");
    let ended = run.wait().well();
    assert_eq!(ended.summary()["steps"], paused["step"]);
    assert_eq!(ended.summary()["weights_sha256"], paused["weights_sha256"]);
}

#[test]
fn a_request_that_is_repeated_does_nothing_twice() {
    let directory = scratch();
    let mut run = paced(&directory.path().join("run"));
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = TrainingClient::connect(run.url()).await.unwrap();
        let mut looks = client.clone();
        let mut save = async |request_id: &str| {
            let request = SaveCheckpointRequest { request_id: request_id.to_owned() };
            client.save_checkpoint(request).await.unwrap().into_inner().checkpoint.unwrap().name
        };
        let first = save("first").await;
        // Of the same step there would be one checkpoint, whoever asks for it.
        let done = |run: &Run| format!("step-{:08}", run.epoch * run.steps_per_epoch + run.step);
        while done(&looks.get_run(GetRunRequest {}).await.unwrap().into_inner()) <= first {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let second = save("second").await;
        assert!(second > first, "{first} {second}");
        assert_eq!(save("first").await, first);
        let request = ListEventsRequest { page_size: 1, ..ListEventsRequest::default() };
        let page = client.list_events(request).await.unwrap().into_inner();
        assert_eq!(page.events.len(), 1);
        let request = ListEventsRequest { page_token: "mine".to_owned(), ..ListEventsRequest::default() };
        assert_eq!(client.list_events(request).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    });
}
