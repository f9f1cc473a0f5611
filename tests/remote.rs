//! Workers that people start themselves, on machines that have nothing but the program.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::sys::signal::Signal;
use proto::v1::{Run, RunState};
use std::{thread, time::Duration};
use system_tests::{Coordinator, Line, TestRun, Worker, assert_same, fail_in, members, pace, scratch};

fn small() -> TestRun<'static> {
    TestRun::small().workers(2).epochs(2)
}

#[test]
fn the_data_set_comes_from_the_coordinator_once() {
    let directory = scratch();
    let cache = directory.path().join("cache");
    let cache = ["--cache-dir", cache.to_str().unwrap()];
    let mut weights = Vec::new();
    for round in 0..2 {
        let run = Coordinator::start(&directory.path().join(round.to_string()), &small());
        let first = Worker::start(&run, "first", &cache);
        let second = Worker::start(&run, "second", &cache);
        weights.push(run.wait().well().weights());
        let mut sent = 0;
        for worker in [first, second] {
            let (code, log) = worker.wait();
            assert_eq!(code, 0, "{log}");
            sent += log.matches("got file 1 of 6 of cifar10 from the coordinator").count();
        }
        // Both may have been sent it when they came at the same time; none is when it is there.
        assert_eq!(sent > 0, round == 0, "round {round}: sent {sent} times");
    }
    assert_eq!(weights[0], weights[1]);
}

#[test]
fn a_worker_leaves_on_request_and_another_comes_late() {
    let directory = scratch();
    let local = small().with(&["--local"]);
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &local).wait().well().weights();

    let data = system_tests::data_dir();
    let data = ["--data-dir", data.to_str().unwrap()];
    let mut run = Coordinator::start(&directory.path().join("changing"), &small());
    // Each generation takes its time until the test has seen it, on a machine of any speed.
    let slow_in = |generation, name: &str| fail_in(generation, name, (0, 2), "slow=300");
    let stays = Worker::start_failing(&run, "stays", &data, &slow_in(2, "stays"));
    let leaves = Worker::start_failing(&run, "leaves", &data, &slow_in(1, "leaves"));
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 2);
    leaves.signal(Signal::SIGTERM);
    let (code, log) = leaves.wait();
    assert_eq!(code, 0, "{log}");
    run.wait_until(|run| run.state() == RunState::Training && members(run) == 1);
    let late = Worker::start(&run, "late", &data);
    let ended = run.wait().well();
    assert_eq!(ended.weights(), expected, "{}", ended.log);
    // Nothing failed, so there was nothing to recover from.
    assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 0, "{}", ended.log);
    for worker in [stays, late] {
        let (code, log) = worker.wait();
        assert_eq!(code, 0, "{log}");
    }
}

/// Bytes a second at which the data set takes some seconds to come: some failure time-outs.
const SLOW: u64 = 30_000_000;

#[test]
fn nobody_waits_for_a_worker_that_gets_the_data_set() {
    let directory = scratch();
    let local = small().with(&["--local"]);
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &local).wait().well();

    let data = system_tests::data_dir();
    let data = ["--data-dir", data.to_str().unwrap()];
    let cache = directory.path().join("cache");
    let cache = ["--cache-dir", cache.to_str().unwrap()];
    let flags = small().workers(1).with(&["--failure-timeout", "2s"]);
    let mut run = Coordinator::start(&directory.path().join("growing"), &flags);
    // Alone it takes its time: 22 steps take longer than the other needs, two do not. A step is no failure, though.
    let stays = Worker::start_failing(&run, "stays", &data, &fail_in(1, "stays", (0, 0), "slow=1000"));
    run.wait_until(|run| run.state() == RunState::Training);
    let line = Line::to(run.address(), SLOW);
    let late = Worker::start_behind(&line, "late", &cache);
    let prepares = |run: &Run| run.workers.iter().any(|worker| worker.preparing);
    let before = run.wait_until(prepares);
    let meanwhile = run.wait_until(|run| run.step >= before.step + 2);
    assert!(prepares(&meanwhile));
    assert_eq!(meanwhile.generation, 1, "who prepares ends no generation");
    run.wait_until(|run| members(run) == 2);
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 0, "{}", ended.log);
    for worker in [stays, late] {
        let (code, log) = worker.wait();
        assert_eq!(code, 0, "{log}");
    }
}

#[test]
fn a_line_that_breaks_while_the_data_set_comes_costs_one_file() {
    let directory = scratch();
    let cache = directory.path().join("cache");
    let cache = ["--cache-dir", cache.to_str().unwrap()];
    let mut run = Coordinator::start(&directory.path().join("run"), &small().workers(1));
    let line = Line::to(run.address(), SLOW);
    let worker = Worker::start_behind(&line, "far", &cache);
    // One file and a half.
    while line.carried() < 45_000_000 {
        thread::sleep(Duration::from_millis(10));
    }
    let waiting = run.wait_until(|_| true);
    assert_eq!(waiting.reason, "waiting for 1 of 1 workers: far prepares");
    line.cut();
    let _ = run.wait().well();
    let (code, log) = worker.wait();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("lost the coordinator"), "{log}");
    assert_eq!(log.matches("got file 1 of 6 of cifar10 from the coordinator").count(), 1, "{log}");
}

#[test]
fn a_state_may_take_longer_to_come_than_a_failure_to_be_noticed() {
    let directory = scratch();
    let local = small().with(&["--local"]);
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &local).wait().well();
    let run_dir = directory.path().join("moves");
    let mut run = Coordinator::start_failing(&run_dir, &local, &[pace(100)]);
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 3);
    run.terminate();
    let _ = run.wait().well();

    // The checkpoint has more than two megabytes.
    let flags = small().workers(1).with(&["--failure-timeout", "1s"]);
    let run = Coordinator::start(&run_dir, &flags);
    let data = system_tests::data_dir();
    let line = Line::to(run.address(), 700_000);
    let worker = Worker::start_behind(&line, "far", &["--data-dir", data.to_str().unwrap()]);
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 0, "{}", ended.log);
    assert!(line.carried() > 2_000_000, "{} bytes", line.carried());
    let (code, log) = worker.wait();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn a_state_on_its_way_up_a_slow_line_holds_up_no_sign_of_life() {
    let directory = scratch();
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &small().with(&["--local"]));
    let expected = expected.wait().well();
    // A state of two megabytes takes more than ten of these time-outs.
    let flags = small().workers(1).with(&["--failure-timeout", "2s"]);
    let run = Coordinator::start(&directory.path().join("slow"), &flags);
    let data = system_tests::data_dir();
    let line = Line::both_ways(run.address(), 100_000);
    let worker = Worker::start_behind(&line, "far", &["--data-dir", data.to_str().unwrap()]);
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 0, "{}", ended.log);
    let (code, log) = worker.wait();
    assert_eq!(code, 0, "{log}");
}
