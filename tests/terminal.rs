//! A terminal that is blocked, and a pipe that nobody reads, hold up nobody: neither who judges who is alive, nor a worker.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    pty::openpty,
    sys::{
        signal::{Signal, kill},
        termios::{FlowArg, tcflow},
    },
    unistd::Pid,
};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{Read, Write, pipe},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};
use system_tests::{Coordinator, Ended, TestRun, Worker, binary, data_dir, pace, runs, scratch, undisturbed};

fn small() -> TestRun<'static> {
    TestRun::small().epochs(2)
}

const FAILURE: Duration = Duration::from_secs(1);
/// In milliseconds, of a step: the run takes longer than three time-outs.
const PACE: u32 = 200;

fn expected() -> &'static Ended {
    undisturbed(&small())
}

/// A run with local workers that log all they can.
fn slow_run(run_dir: &Path, stdout: Stdio, stderr: Stdio) -> Child {
    Command::new(binary("coordinator"))
        .args(["--local", "--workers", "2", "--failure-timeout", "1s", "--listen", "127.0.0.1:0", "--run-dir"])
        .arg(run_dir)
        .arg("--data-dir")
        .arg(data_dir())
        .args(&*small())
        .env("COXSWAIN_FAULT", pace(PACE))
        .env("RUST_LOG", "debug")
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap()
}

fn wait(child: &mut Child, longest: Duration) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > longest {
            // What it wrote cannot be read: that is what is tested.
            child.kill().unwrap();
            panic!("it does not end");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The summary of a run that came to its end well, with nobody lost.
fn assert_undisturbed(run_dir: &Path, expected: &Ended) {
    let summary: Value = serde_json::from_slice(&fs::read(run_dir.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["state"], "finished", "{summary}");
    assert_eq!(summary["recoveries"], Value::Array(Vec::new()), "somebody was given up");
    assert_eq!(summary["weights_sha256"], expected.weights());
}

/// A pipe that takes no more. Nothing can be written to it as long as its reader is there and does not read.
fn full_pipe() -> (impl Read, File) {
    let (reader, writer) = pipe().unwrap();
    let mut writer = File::from(OwnedFd::from(writer));
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    // Who gets it now waits when it is full, as usual.
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    (reader, writer)
}

#[test]
fn nobody_waits_for_a_pipe_that_nobody_reads() {
    let directory = scratch();
    let expected = expected();
    let run_dir = directory.path().join("blocked");
    let (mut reader, writer) = full_pipe();
    let (mut reader_of_lines, lines) = full_pipe();
    let start = Instant::now();
    let mut run = slow_run(&run_dir, lines.into(), writer.into());
    let status = wait(&mut run, Duration::from_mins(3));
    assert!(start.elapsed() > 3 * FAILURE);
    assert_eq!(status.code(), Some(0));
    assert_undisturbed(&run_dir, expected);
    // It was full all the time.
    for reader in [&mut reader as &mut dyn Read, &mut reader_of_lines] {
        let mut written = Vec::new();
        reader.read_to_end(&mut written).unwrap();
        assert!(written.iter().all(|byte| *byte == b'.'));
    }
}

#[test]
fn nobody_waits_for_a_terminal_that_is_stopped() {
    let directory = scratch();
    let expected = expected();
    let run_dir = directory.path().join("blocked");
    let terminal = openpty(None, None).unwrap();
    // As Ctrl-S does it.
    tcflow(&terminal.slave, FlowArg::TCOOFF).unwrap();
    let slave = || Stdio::from(terminal.slave.try_clone().unwrap());
    let mut run = slow_run(&run_dir, slave(), slave());
    assert_eq!(wait(&mut run, Duration::from_mins(3)).code(), Some(0));
    assert_undisturbed(&run_dir, expected);
}

#[test]
fn a_terminal_that_goes_on_shows_what_it_missed() {
    let directory = scratch();
    let terminal = openpty(None, None).unwrap();
    tcflow(&terminal.slave, FlowArg::TCOOFF).unwrap();
    let slave = || Stdio::from(terminal.slave.try_clone().unwrap());
    let mut run = slow_run(&directory.path().join("run"), slave(), slave());
    let metrics = directory.path().join("run/metrics.jsonl");
    let start = Instant::now();
    while fs::read_to_string(&metrics).is_ok_and(|text| text.is_empty()) || !metrics.exists() {
        assert!(start.elapsed() < Duration::from_mins(1), "no epoch ends");
        thread::sleep(Duration::from_millis(20));
    }
    // As Ctrl-Q does it.
    tcflow(&terminal.slave, FlowArg::TCOON).unwrap();
    let mut master = File::from(terminal.master);
    let reading = thread::spawn(move || {
        let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
        // Fails when nobody has the other end any more.
        while let Ok(read @ 1..) = master.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&shown).into_owned()
    });
    assert_eq!(wait(&mut run, Duration::from_mins(3)).code(), Some(0));
    drop(terminal.slave);
    let shown = reading.join().unwrap();
    for words in ["listening on", "Epoch [  1/  2]  Train Loss", "Epoch [  2/  2]  Train Loss", "resnet20 finished"] {
        assert!(shown.contains(words), "{words:?} is not in {shown}");
    }
}

#[test]
fn a_request_to_stop_is_met_while_the_terminal_is_blocked() {
    let directory = scratch();
    let run_dir = directory.path().join("blocked");
    let (_reader, writer) = full_pipe();
    let mut run = slow_run(&run_dir, Stdio::null(), writer.into());
    let start = Instant::now();
    let workers = || ["local-0", "local-1"].map(|name| fs::read_to_string(run_dir.join("local-workers").join(name)));
    while !workers().iter().all(Result::is_ok) {
        assert!(start.elapsed() < Duration::from_mins(1), "no worker is started");
        thread::sleep(Duration::from_millis(20));
    }
    kill(Pid::from_raw(run.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(wait(&mut run, Duration::from_secs(30)).code(), Some(0));
    for worker in workers() {
        let process = worker.unwrap().split_whitespace().next().unwrap().parse().unwrap();
        assert!(!runs(process), "a worker is left behind");
    }
}

/// A worker whose own standard error is blocked, as one that somebody started by hand.
#[test]
fn a_worker_does_not_wait_for_its_terminal() {
    let directory = scratch();
    let expected = expected();
    let flags = small().workers(2).with(&["--failure-timeout", "1s"]);
    let run = Coordinator::start(&directory.path().join("blocked"), &flags);
    let data = data_dir();
    let data = ["--data-dir", data.to_str().unwrap()];
    let _open = Worker::start_failing(&run, "open", &data, &pace(PACE));
    let (_reader, writer) = full_pipe();
    let mut blocked = Command::new(binary("worker"))
        .args(["--cpu", "--name", "blocked", "--coordinator", run.address()])
        .args(data)
        .env("RUST_LOG", "debug")
        .env("COXSWAIN_FAULT", pace(PACE))
        .stdin(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    let ended = run.wait().well();
    assert_eq!((ended.weights(), &ended.summary()["recoveries"]), (expected.weights(), &Value::Array(Vec::new())));
    assert_eq!(wait(&mut blocked, Duration::from_secs(20)).code(), Some(0));
}
