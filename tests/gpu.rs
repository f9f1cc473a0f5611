//! Promises P1 and P2 on GPUs. Skipped, visibly, where there are none; `cargo xtask check-cuda` builds what they need.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::sys::signal::Signal;
use proto::v1::RunState;
use std::path::Path;
use system_tests::{Coordinator, Ended, Worker, data_dir, fail_in, gpu, members, scratch};

/// Two epochs of ten steps and a small one.
const RUN: [&str; 14] = [
    "--limit-train",
    "650",
    "--batch-size",
    "64",
    "--limit-test",
    "300",
    "--epochs",
    "2",
    "--shards",
    "4",
    "--precision",
    "bf16",
    "--failure-timeout",
    "5s",
];

fn coordinator(run_dir: &Path, workers: usize) -> Coordinator {
    Coordinator::start(run_dir, &[&RUN[..], &["--workers", &workers.to_string()]].concat())
}

fn start(run: &Coordinator, index: u32) -> Worker {
    let data = data_dir();
    // In the first generation it takes its time in the second epoch, for a test to meet it there.
    let slow = fail_in(1, &format!("gpu-{index}"), (1, 3), "slow=250");
    Worker::start_on_gpu(run, index, &["--data-dir", data.to_str().unwrap()], &slow)
}

/// A run on the first `workers` GPUs.
fn trained(run_dir: &Path, workers: u32) -> Ended {
    let run = coordinator(run_dir, workers as usize);
    let workers: Vec<Worker> = (0..workers).map(|index| start(&run, index)).collect();
    let ended = run.wait().well();
    for worker in workers {
        let (code, log) = worker.wait();
        assert_eq!(code, 0, "{log}");
    }
    ended
}

#[test]
fn p1_one_gpu_comes_to_the_same_bytes_again() {
    if !gpu(0, "p1_one_gpu_comes_to_the_same_bytes_again") {
        return;
    }
    let directory = scratch();
    let first = trained(&directory.path().join("first"), 1).weights();
    assert_eq!(trained(&directory.path().join("second"), 1).weights(), first);

    // And through a worker's death: its successor goes on from the last checkpoint.
    let mut run = coordinator(&directory.path().join("killed"), 1);
    let victim = start(&run, 0);
    run.wait_until(|run| run.epoch == 1 && run.step >= 3 && !run.checkpoint.is_empty());
    victim.signal(Signal::SIGKILL);
    let _ = victim.wait();
    let successor = start(&run, 0);
    assert_eq!(run.wait().well().weights(), first);
    drop(successor);
}

#[test]
fn p1_one_and_two_gpus_come_to_the_same_bytes() {
    if !gpu(1, "p1_one_and_two_gpus_come_to_the_same_bytes") {
        return;
    }
    let directory = scratch();
    let one = trained(&directory.path().join("one"), 1).weights();
    assert_eq!(trained(&directory.path().join("two"), 2).weights(), one);
}

#[test]
fn p2_a_gpu_worker_that_is_killed_leaves_no_trace() {
    if !gpu(1, "p2_a_gpu_worker_that_is_killed_leaves_no_trace") {
        return;
    }
    let directory = scratch();
    let expected = trained(&directory.path().join("undisturbed"), 2).weights();
    let mut run = coordinator(&directory.path().join("killed"), 2);
    let (stays, victim) = (start(&run, 0), start(&run, 1));
    run.wait_until(|run| run.state() == RunState::Training && members(run) == 2 && run.epoch == 1 && run.step >= 3);
    victim.signal(Signal::SIGKILL);
    let ended = run.wait().well();
    assert_eq!(ended.weights(), expected, "{}", ended.log);
    let (code, log) = stays.wait();
    assert_eq!(code, 0, "{log}");
}
