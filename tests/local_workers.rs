//! Local workers that cannot start: the reason is shown, and a run that waits for them ends with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::v1::RunState;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use system_tests::{
    Coordinator, Ended, TestRun, Worker, assert_same, binary, data_dir, fail_at, pace, runs, scratch, undisturbed,
};

fn small() -> TestRun<'static> {
    TestRun::small().epochs(2)
}

/// Of a run whose workers cannot be started.
const SPAWN: i32 = 5;

/// A coordinator beside a `worker` that is this script, or nothing.
fn beside(directory: &Path, script: &str) -> PathBuf {
    let program = directory.join("coordinator");
    // The system tells a program where it is, whatever other names it has.
    if fs::hard_link(binary("coordinator"), &program).is_err() {
        fs::copy(binary("coordinator"), &program).unwrap();
    }
    let worker = directory.join("worker");
    fs::write(&worker, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&worker, PermissionsExt::from_mode(0o755)).unwrap();
    program
}

fn run_with(script: &str) -> Ended {
    let directory = scratch();
    let program = beside(directory.path(), script);
    let start = Instant::now();
    let ended = Coordinator::start_program(&program, &directory.path().join("run"), &small().local(2)).wait();
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}\n{}", start.elapsed(), ended.log);
    assert_eq!(ended.code, SPAWN, "{}", ended.log);
    assert_eq!(ended.summary()["state"], "failed");
    ended
}

fn last_words(ended: &Ended) -> &str {
    ended.log.lines().find(|line| line.starts_with("coordinator: ")).unwrap()
}

#[test]
fn what_can_never_work_ends_the_run_with_its_reason() {
    for (code, words) in [(2, "error: no such flag"), (5, "worker: no GPU here"), (127, "error while loading libx.so")]
    {
        let ended = run_with(&format!("echo 'all is well so far' >&2; echo '{words}' >&2; exit {code}"));
        let words = format!(
            "ended 3 times in a row before it could train, the last time with exit code {code}; it said: all is well so \
             far / {words}"
        );
        assert!(last_words(&ended).contains(&words), "{}", ended.log);
    }
}

#[test]
fn a_worker_that_ends_at_once_for_any_reason_ends_the_run() {
    for (script, words) in [
        ("exit 0", "exit code 0"),
        ("exit 4", "exit code 4"),
        ("exit 6", "exit code 6"),
        ("kill -KILL $$", "signal: 9 (SIGKILL)"),
        ("kill -SEGV $$", "signal: 11 (SIGSEGV)"),
    ] {
        let ended = run_with(script);
        assert!(last_words(&ended).contains(words), "{script}: {}", ended.log);
    }
}

#[test]
fn a_program_that_cannot_be_run_ends_the_run() {
    let directory = scratch();
    let program = beside(directory.path(), "");
    fs::set_permissions(directory.path().join("worker"), PermissionsExt::from_mode(0o644)).unwrap();
    let flags = small().local(2);
    let ended = Coordinator::start_program(&program, &directory.path().join("run"), &flags).wait();
    assert!(ended.code == SPAWN && last_words(&ended).contains("Permission denied"), "{}", ended.log);
}

#[test]
fn the_state_says_why_it_waits() {
    let directory = scratch();
    // The second one looks for its coordinator, and so may still come.
    let script = format!(
        "case \"$*\" in *local-0*) echo 'a disk is missing' >&2; exit 6;; *) exec {} --cpu --name x --coordinator 127.0.0.1:9;; esac",
        binary("worker").display()
    );
    let program = beside(directory.path(), &script);
    let flags = small().local(2).with(&["--min-workers", "1"]);
    let mut run = Coordinator::start_program(&program, &directory.path().join("run"), &flags);
    let state = run.wait_until(|run| run.reason.contains("a disk is missing"));
    assert_eq!(state.state(), RunState::Waiting);
    assert!(
        state.reason.starts_with("waiting for 2 of 2 workers; local-0 ended before it could train"),
        "{}",
        state.reason
    );
    run.terminate();
    let _ = run.wait().well();
}

#[test]
fn a_run_whose_work_others_do_goes_on() {
    let directory = scratch();
    let expected = undisturbed(&small());
    let other = directory.path().join("other-is-there");
    let script = format!(
        "case \"$*\" in *local-0*) while [ ! -e {} ]; do sleep 0.05; done; echo 'no such luck' >&2; exit 2;; \
         *) exec {} \"$@\";; esac",
        other.display(),
        binary("worker").display()
    );
    let program = beside(directory.path(), &script);
    let flags = small().local(2);
    let mut run = Coordinator::start_program(&program, &directory.path().join("run"), &flags);
    let data = data_dir();
    let _far = Worker::start_failing(&run, "far", &["--data-dir", data.to_str().unwrap()], &pace(150));
    run.wait_until(|run| run.workers.iter().any(|worker| worker.name == "far"));
    fs::write(other, "").unwrap();
    run.wait_for("local-0 ended 3 times in a row before it could train");
    let ended = run.wait().well();
    assert_same(&ended, expected);
}

#[test]
fn one_that_is_told_to_leave_is_started_again() {
    let directory = scratch();
    let expected = undisturbed(&small());
    let flags = small().local(2);
    let slow = [fail_at(0, (0, 3), "slow=150")];
    let mut run = Coordinator::start_failing(&directory.path().join("run"), &flags, &slow);
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 3);
    let first = run.worker("local-1");
    kill(Pid::from_raw(first as i32), Signal::SIGTERM).unwrap();
    run.wait_for("local-1 ended with exit code 0; starting it again");
    let ended = run.wait().well();
    assert_same(&ended, expected);
    assert!(!runs(first));
}
