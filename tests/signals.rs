//! Signals: each that asks a program to end is met, saved where it can be, and nothing is left behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::{
    sys::signal::{Signal, kill},
    sys::stat::Mode,
    unistd::{Pid, mkfifo},
};
use proto::v1::RunState;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use system_tests::{
    Coordinator, Ended, TestRun, Worker, assert_same, binary, data_dir, fail_at, fail_in, runs, scratch,
};

/// What counts as a second request has to be so much later.
const PATIENCE: Duration = Duration::from_millis(1100);

/// A run that is in the middle of its second epoch, of steps that take so many milliseconds longer from there on.
fn in_the_middle(run_dir: &Path, millis: u32) -> (Coordinator, [u32; 2]) {
    let slow = [fail_at(0, (1, 3), &format!("slow={millis}"))];
    let mut run = Coordinator::start_failing(run_dir, &TestRun::small().local(2), &slow);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    let workers = ["local-0", "local-1"].map(|name| run.worker(name));
    (run, workers)
}

fn assert_saved(ended: &Ended, workers: [u32; 2]) {
    assert_eq!(ended.code, 0, "{}", ended.log);
    assert_eq!(ended.summary()["state"], "stopped");
    // Within the second epoch, which has 11 steps.
    let steps = ended.summary()["steps"].as_u64().unwrap();
    assert!((14..22).contains(&steps), "{steps} steps\n{}", ended.log);
    assert!(!workers.into_iter().any(runs), "a worker is left behind\n{}", ended.log);
}

#[test]
fn two_signals_within_a_moment_are_one_request() {
    let directory = scratch();
    let expected = Coordinator::run(&directory.path().join("undisturbed"), 2, &TestRun::small()).well();
    let run_dir = directory.path().join("stopped");
    let (run, workers) = in_the_middle(&run_dir, 250);
    run.terminate();
    run.terminate();
    assert_saved(&run.wait(), workers);
    let ended = Coordinator::run(&run_dir, 2, &TestRun::small()).well();
    assert_same(&ended, &expected);
}

/// As a service manager does it: all processes of a service are told at once.
#[test]
fn workers_that_are_told_at_the_same_moment_are_no_failure() {
    let directory = scratch();
    let (run, workers) = in_the_middle(directory.path(), 250);
    run.terminate();
    for worker in workers {
        kill(Pid::from_raw(worker as i32), Signal::SIGTERM).unwrap();
    }
    let ended = run.wait();
    assert_eq!((ended.code, &ended.summary()["state"]), (0, &"stopped".into()), "{}", ended.log);
    assert!(!workers.into_iter().any(runs), "a worker is left behind\n{}", ended.log);
}

#[test]
fn a_second_request_that_comes_later_ends_everything_at_once() {
    let directory = scratch();
    // Nobody would wait for the end of this step.
    let (mut run, workers) = in_the_middle(directory.path(), 60_000);
    run.signal(Signal::SIGINT);
    run.wait_for("stopping: asked to by SIGINT");
    thread::sleep(PATIENCE);
    run.signal(Signal::SIGINT);
    let start = Instant::now();
    let ended = run.wait();
    assert_eq!(ended.code, 130, "{}", ended.log);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(!workers.into_iter().any(runs), "a worker is left behind\n{}", ended.log);
}

#[test]
fn every_signal_that_asks_is_met() {
    let directory = scratch();
    let names = [
        "HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "XCPU", "IO", "PWR", "STKFLT",
        "RTMIN+3",
    ];
    for name in names {
        if name == "HUP" && is_ignored_here(Signal::SIGHUP) {
            eprintln!("NOT TESTED: SIGHUP, which this test itself was started to ignore, as nohup does it");
            continue;
        }
        let run = Coordinator::start(&directory.path().join(name), &TestRun::small());
        let sent = Command::new("kill").args(["-s", name, &run.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{name}");
        let ended = run.wait();
        assert_eq!(ended.code, 0, "{name}: {}", ended.log);
        // SIGIO has another name too.
        let asked = [format!("asked to by SIG{name}"), "asked to by SIGPOLL".to_owned()];
        assert!(asked.iter().any(|asked| ended.log.contains(asked)), "{name}: {}", ended.log);
    }
}

/// Whether this process ignores `signal`, and so whatever it starts.
fn is_ignored_here(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(ignored.trim(), 16).unwrap() & 1 << (signal as u32 - 1) != 0
}

#[test]
fn a_signal_that_is_ignored_from_the_start_stays_so() {
    let directory = scratch();
    // As nohup does it.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(binary("coordinator"))
        .args(&*TestRun::small())
        .arg("--data-dir")
        .arg(data_dir());
    let run = begin(command, directory.path());
    for signal in [Signal::SIGHUP, Signal::SIGTERM] {
        kill(Pid::from_raw(run.id() as i32), signal).unwrap();
    }
    let output = run.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains("asked to by SIGTERM") && !log.contains("SIGHUP"), "{log}");
}

#[test]
fn a_coordinator_that_has_not_begun_ends_well() {
    let directory = scratch();
    let data = endless_data(directory.path());
    let mut command = Command::new(binary("coordinator"));
    command.args(["--limit-train", "40000", "--data-dir"]).arg(&data);
    let run = begin(command, directory.path());
    kill(Pid::from_raw(run.id() as i32), Signal::SIGTERM).unwrap();
    let output = run.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains("stopped before the run began: asked to by SIGTERM"), "{log}");
}

/// A data set that takes for ever to verify: one of its files waits for a writer, who never comes.
fn endless_data(directory: &Path) -> PathBuf {
    let data = directory.join("data");
    fs::create_dir(&data).unwrap();
    for file in fs::read_dir(importers::cifar10::files_in(&data_dir())).unwrap() {
        let file = file.unwrap();
        symlink(file.path(), data.join(file.file_name())).unwrap();
    }
    let endless = data.join("data_batch_4.bin");
    fs::remove_file(&endless).unwrap();
    mkfifo(&endless, Mode::S_IRWXU).unwrap();
    data
}

/// Begins a run, and waits until it has begun to look at what there is.
fn begin(mut command: Command, directory: &Path) -> Child {
    command
        .args(["--listen", "127.0.0.1:0", "--run-dir"])
        .arg(directory.join("run"))
        .env("RUST_LOG", "info")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let start = Instant::now();
    while !directory.join("run/journal.sqlite").exists() {
        assert!(start.elapsed() < Duration::from_mins(1), "it does not begin");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn a_worker_leaves_at_the_first_request_and_ends_at_an_impatient_second() {
    let directory = scratch();
    let data = data_dir();
    let data = ["--data-dir", data.to_str().unwrap()];
    for (millis, code) in [(250, 0), (60_000, 143)] {
        let flags = TestRun::small().workers(1);
        let mut run = Coordinator::start(&directory.path().join(millis.to_string()), &flags);
        let slow = fail_in(1, "far", (0, 3), &format!("slow={millis}"));
        let worker = Worker::start_failing(&run, "far", &data, &slow);
        run.wait_until(|run| run.state() == RunState::Training && run.step >= 3);
        worker.signal(Signal::SIGTERM);
        worker.signal(Signal::SIGTERM);
        run.wait_for("far leaves: asked to stop");
        if code != 0 {
            thread::sleep(PATIENCE);
            worker.signal(Signal::SIGTERM);
        }
        let (ended, log) = worker.wait();
        assert_eq!(ended, code, "{log}");
    }
}

#[test]
fn a_worker_that_is_not_prepared_leaves_at_once() {
    let directory = scratch();
    let mut run = Coordinator::start(&directory.path().join("run"), &TestRun::small().workers(1));
    let data = endless_data(directory.path());
    let worker = Worker::start(&run, "far", &["--data-dir", data.to_str().unwrap()]);
    run.wait_until(|run| run.workers.iter().any(|worker| worker.preparing));
    worker.signal(Signal::SIGTERM);
    let (code, log) = worker.wait();
    assert_eq!(code, 0, "{log}");
}
