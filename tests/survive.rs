//! Promise P2: workers and the coordinator are killed and stopped in the middle of an epoch; nothing is lost, and nobody
//! can tell from the weights.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::v1::RunState;
use std::path::Path;
use system_tests::{Coordinator, Ended, assert_same};

/// Three epochs of ten steps and a small one.
const RUN: [&str; 10] =
    ["--limit-train", "650", "--batch-size", "64", "--limit-test", "300", "--epochs", "3", "--shards", "2"];

fn local(directory: &Path, name: &str, flags: &[&str]) -> Coordinator {
    Coordinator::start(&directory.join(name), &[&["--local", "--workers", "2"], &RUN[..], flags].concat())
}

fn undisturbed(directory: &Path) -> Ended {
    Coordinator::run(&directory.join("undisturbed"), 2, &RUN).well()
}

fn signal(worker: u32, signal: Signal) {
    kill(Pid::from_raw(worker as i32), signal).unwrap();
}

fn recoveries(ended: &Ended) -> Vec<String> {
    let summary = ended.summary();
    let recoveries = summary["recoveries"].as_array().unwrap();
    assert!(recoveries.iter().all(|recovery| recovery["resumed_ms"].is_u64()), "{recoveries:?}");
    recoveries.iter().map(|recovery| recovery["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_killed_worker_leaves_no_trace_in_the_weights() {
    let directory = tempfile::tempdir().unwrap();
    let expected = undisturbed(directory.path());
    assert_eq!(recoveries(&expected), [""; 0]);

    let mut run = local(directory.path(), "killed", &[]);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    signal(run.worker("local-1"), Signal::SIGKILL);
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert!(recoveries(&ended)[0].contains("local-1"), "{:?}", recoveries(&ended));
}

#[test]
fn a_stopped_worker_is_given_up_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let expected = undisturbed(directory.path());
    let mut run = local(directory.path(), "stopped", &["--failure-timeout", "2s", "--min-workers", "2"]);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    let worker = run.worker("local-0");
    signal(worker, Signal::SIGSTOP);
    run.wait_until(|run| run.workers.len() == 1);
    signal(worker, Signal::SIGCONT);
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    let kinds = recoveries(&ended);
    assert!(kinds[0].contains("local-0") && kinds[0].contains("silent"), "{kinds:?}");
}

#[test]
fn a_killed_coordinator_is_taken_up_by_the_workers_that_outlive_it() {
    let directory = tempfile::tempdir().unwrap();
    let expected = undisturbed(directory.path());
    let mut run = local(directory.path(), "killed", &[]);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    let workers = ["local-0", "local-1"].map(|name| run.worker(name));
    let flags = [&["--local", "--workers", "2"], &RUN[..]].concat();
    let mut run = run.killed_and_restarted(&flags);
    let after = run.wait_until(|run| run.workers.len() == 2);
    assert!(after.generation > 1, "{after:?}");
    assert_eq!(["local-0", "local-1"].map(|name| run.worker(name)), workers, "the same processes");
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert!(ended.log.contains("taking local-0 over"), "{}", ended.log);
}
