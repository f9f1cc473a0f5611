//! A disk that stands still holds up neither training nor the judge of who is alive.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::sys::signal::Signal;
use proto::v1::RunState;
use std::{
    thread,
    time::{Duration, Instant},
};
use system_tests::{Coordinator, Stall, Worker, assert_same, pace, scratch};

/// Four epochs of ten steps and a small one.
const RUN: [&str; 12] = [
    "--local",
    "--workers",
    "2",
    "--limit-train",
    "650",
    "--batch-size",
    "64",
    "--limit-test",
    "300",
    "--epochs",
    "4",
    "--shards",
];

#[test]
fn a_disk_that_stalls_for_three_time_outs_costs_nobody_anything() {
    let directory = scratch();
    let flags = [&RUN[..], &["2", "--failure-timeout", "1s", "--checkpoint-every", "2"]].concat();
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &flags).wait().well();
    let stall = Stall::new(directory.path());
    let pace = pace(200);
    let variables = [&stall.variables()[..], &[("COXSWAIN_FAULT", pace.as_str())]].concat();
    let mut run = Coordinator::start_within(&variables, &directory.path().join("stalls"), &flags);
    // Under journal and checkpoints alike: in the middle of an epoch, and over the end of one.
    for epoch in [0, 1] {
        run.wait_until(|run| run.state() == RunState::Training && run.epoch >= epoch && run.step >= 3);
        stall.begin();
        let began = Instant::now();
        let before = run.wait_until(|_| true);
        let mut says_so = false;
        while began.elapsed() < Duration::from_secs(3) || !says_so {
            let now = run.wait_until(|_| true);
            // The next epoch waits for the record of the last one.
            says_so |= now.reason.starts_with("waiting for the disk");
            assert!(began.elapsed() < Duration::from_secs(30), "{now:?}");
            assert_eq!((now.workers.len(), now.generation), (2, before.generation), "{now:?}");
            thread::sleep(Duration::from_millis(100));
        }
        let after = run.wait_until(|_| true);
        let steps = |run: &proto::v1::Run| run.epoch * 11 + run.step;
        assert!(steps(&after) > steps(&before), "training goes on: {after:?}");
        stall.end();
    }
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 0, "{}", ended.log);
}

#[test]
fn a_state_that_nobody_holds_any_more_is_waited_for_while_the_disk_stalls() {
    let directory = scratch();
    let flags = ["--workers", "1"];
    let flags = [&flags[..], &RUN[3..], &["2", "--failure-timeout", "1s"]].concat();
    let local = [&["--local"], &flags[..]].concat();
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &local).wait().well();
    let stall = Stall::new(directory.path());
    let run_dir = directory.path().join("stalls");
    let mut run = Coordinator::start_within(&stall.variables_for("/checkpoints/"), &run_dir, &flags);
    let first = Worker::start_failing(&run, "first", &[], &pace(200));
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 5);
    stall.begin();
    first.signal(Signal::SIGTERM);
    assert_eq!(first.wait().0, 0);
    let second = Worker::start(&run, "second", &[]);
    let waits = |run: &proto::v1::Run| run.reason.contains("waiting for the checkpoint of epoch 1, step");
    let waiting = run.wait_until(waits);
    // Longer than a generation has time to form.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(run.wait_until(waits).generation, waiting.generation);
    stall.end();
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert_eq!(second.wait().0, 0);
    assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 0, "{}", ended.log);
}
