//! Workers that people start themselves, on machines that have nothing but the program.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::sys::signal::Signal;
use proto::v1::RunState;
use system_tests::{Coordinator, Worker, fail_in};

const RUN: [&str; 12] = [
    "--workers",
    "2",
    "--limit-train",
    "650",
    "--batch-size",
    "64",
    "--limit-test",
    "300",
    "--epochs",
    "2",
    "--shards",
    "2",
];

#[test]
fn the_data_set_comes_from_the_coordinator_once() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let cache = ["--cache-dir", cache.to_str().unwrap()];
    let mut weights = Vec::new();
    for round in 0..2 {
        let run = Coordinator::start(&directory.path().join(round.to_string()), &RUN);
        let first = Worker::start(&run, "first", &cache);
        let second = Worker::start(&run, "second", &cache);
        weights.push(run.wait().well().weights());
        let mut sent = 0;
        for worker in [first, second] {
            let (code, log) = worker.wait();
            assert_eq!(code, 0, "{log}");
            sent += log.matches("got data_batch_1.bin from the coordinator").count();
        }
        // Both may have been sent it when they came at the same time; none is when it is there.
        assert_eq!(sent > 0, round == 0, "round {round}: sent {sent} times");
    }
    assert_eq!(weights[0], weights[1]);
}

#[test]
fn a_worker_leaves_on_request_and_another_comes_late() {
    let directory = tempfile::tempdir().unwrap();
    let local = [&["--local"][..], &RUN].concat();
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &local).wait().well().weights();

    let data = system_tests::data_dir();
    let data = ["--data-dir", data.to_str().unwrap()];
    let mut run = Coordinator::start(&directory.path().join("changing"), &RUN);
    // Each generation takes its time until the test has seen it, on a machine of any speed.
    let slow_in = |generation, name: &str| fail_in(generation, name, (0, 2), "slow=300");
    let stays = Worker::start_failing(&run, "stays", &data, &slow_in(2, "stays"));
    let leaves = Worker::start_failing(&run, "leaves", &data, &slow_in(1, "leaves"));
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 2);
    leaves.signal(Signal::SIGTERM);
    let (code, log) = leaves.wait();
    assert_eq!(code, 0, "{log}");
    run.wait_until(|run| run.state() == RunState::Training && run.workers.len() == 1);
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
