//! Promises P1 and P2 on the way that a GPU takes: libtorch's operations one by one, the data set in the device's memory, digests
//! and SGD by tensors, gradients over the network. A CPU is sent that way here, so that it is tested where there is no GPU.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::sys::signal::Signal;
use proto::v1::RunState;
use std::path::Path;
use system_tests::{Coordinator, Ended, assert_same};

const RUN: [&str; 10] =
    ["--limit-train", "416", "--batch-size", "128", "--limit-test", "600", "--epochs", "2", "--shards", "4"];

fn start(run_dir: &Path, workers: &str, how: &[&str], as_gpu: &str) -> Coordinator {
    let flags = [&["--local", "--workers", workers], &RUN[..], how].concat();
    Coordinator::start_within(&[("COXSWAIN_AS_GPU", as_gpu)], run_dir, &flags)
}

fn same_bytes(how: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let run = |workers: &str| start(&directory.path().join(workers), workers, how, "1").wait().well();
    let alone = run("1");
    for workers in ["2", "3", "4"] {
        let ended = run(workers);
        assert!(ended.log.contains("added up over the network"), "{}", ended.log);
        assert_same(&ended, &alone);
    }
    // It is another way, and leads to nearly the same.
    let usual = start(&directory.path().join("usual"), "1", how, "0").wait().well();
    assert_ne!(usual.weights(), alone.weights());
    let loss = |ended: &Ended| ended.summary()["test_loss"].as_f64().unwrap();
    let (usual, alone) = (loss(&usual), loss(&alone));
    assert!((usual - alone).abs() < 0.1 * usual, "{usual} and {alone}");
}

#[test]
fn p1_on_the_way_of_a_gpu_in_fp32() {
    same_bytes(&["--precision", "fp32"]);
}

#[test]
fn p1_on_the_way_of_a_gpu_in_bf16() {
    same_bytes(&["--precision", "bf16"]);
}

#[test]
fn p2_on_the_way_of_a_gpu() {
    let directory = tempfile::tempdir().unwrap();
    let expected = start(&directory.path().join("undisturbed"), "2", &[], "1").wait().well();
    let mut run = start(&directory.path().join("killed"), "2", &[], "1");
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 1);
    let victim = run.worker("local-1");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(victim as i32), Signal::SIGKILL).unwrap();
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert!(!ended.summary()["recoveries"].as_array().unwrap().is_empty(), "{}", ended.log);
}
