//! On a GPU's path, any number of workers gives the same weights, and a kill costs nothing. That path is libtorch's operations
//! one by one. The data set is in the device's memory. Digests and SGD go by tensors, and gradients over the network. A CPU
//! takes that path here, so it is tested where there is no GPU.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::sys::signal::Signal;
use proto::v1::RunState;
use std::path::Path;
use system_tests::{Coordinator, Ended, TestRun, assert_same, fail_at, pace, scratch};

fn small() -> TestRun<'static> {
    TestRun::small().images(416, 600).with(&["--batch-size", "128"]).epochs(2).shards(4)
}

/// On the way of a GPU, with this backend.
fn as_gpu(backend: &str, faults: &str) -> [(&'static str, String); 3] {
    [
        ("COXSWAIN_AS_GPU", "1".to_owned()),
        ("COXSWAIN_BACKEND", backend.to_owned()),
        ("COXSWAIN_FAULT", faults.to_owned()),
    ]
}

fn start(run_dir: &Path, workers: &str, how: &[&str], variables: &[(&str, String)]) -> Coordinator {
    let flags = small().with(&["--local", "--workers", workers]).with(how);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Coordinator::start_within(&variables, run_dir, &flags)
}

fn same_bytes(how: &[&str]) {
    let directory = scratch();
    let run = |workers: &str, backend: &str| {
        let run_dir = directory.path().join(format!("{workers}-{backend}"));
        start(&run_dir, workers, how, &as_gpu(backend, "")).wait().well()
    };
    let alone = run("1", "auto");
    for (workers, backend) in [("2", "auto"), ("3", "gloo"), ("4", "auto")] {
        let ended = run(workers, backend);
        let staged = if backend == "gloo" { ", by way of main memory" } else { "" };
        assert!(ended.log.contains(&format!("added up over the network{staged}")), "{}", ended.log);
        assert_eq!(ended.log.contains("by way of main memory"), backend == "gloo", "{}", ended.log);
        assert_same(&ended, &alone);
    }
    // It is another way, and leads to nearly the same.
    let usual = start(&directory.path().join("usual"), "1", how, &[]).wait().well();
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
    let directory = scratch();
    let expected = start(&directory.path().join("undisturbed"), "2", &[], &as_gpu("auto", "")).wait().well();
    let mut run = start(&directory.path().join("killed"), "2", &[], &as_gpu("gloo", ""));
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 1);
    let victim = run.worker("local-1");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(victim as i32), Signal::SIGKILL).unwrap();
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert!(!ended.summary()["recoveries"].as_array().unwrap().is_empty(), "{}", ended.log);
    // A loss that is no number is seen in the sum of all, and still told of the one whose it was.
    let faults = as_gpu("auto", "local-1@*:0:2:nan");
    let ended = start(&directory.path().join("no-number"), "2", &[], &faults).wait().well();
    assert_same(&ended, &expected);
    assert!(ended.log.contains("local-1 set aside: the loss became NaN"), "{}", ended.log);
    assert!(!ended.log.contains("local-0 set aside"), "{}", ended.log);
}

/// Nothing of the step that became no number is left in it: not in its state, and not in what a step writes beside that.
#[test]
fn who_comes_back_after_a_loss_that_was_no_number_brings_none_of_it() {
    let directory = scratch();
    let expected = start(&directory.path().join("undisturbed"), "2", &[], &as_gpu("auto", "")).wait().well();
    // It is back before the other one is done.
    let faults = as_gpu("auto", &format!("local-1@*:0:2:nan,{}", pace(700)));
    let ended = start(&directory.path().join("no-number"), "2", &[], &faults).wait().well();
    assert_same(&ended, &expected);
    let back = ended.log.split_once("local-1 set aside").map(|(_, after)| after.contains("the set of workers changes"));
    assert_eq!(back, Some(true), "{}", ended.log);
}

/// On a GPU a worker's own time says nothing: it waits for the GPU as well as for others. There a stretch is measured on the
/// device, in other code than on a CPU.
#[test]
fn who_is_slow_shows_on_the_way_of_a_gpu() {
    let directory = scratch();
    let slow = fail_at(1, (1, 0), "slow=300");
    let mut run = start(&directory.path().join("run"), "2", &["--failure-timeout", "5s"], &as_gpu("auto", &slow));
    let seen = run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    let of = |name: &str| seen.workers.iter().find(|worker| worker.name == name).unwrap();
    let (quick, slow) = (of("local-0"), of("local-1"));
    assert!(quick.wait_seconds > 0.2, "{seen:?}");
    assert!(slow.compute_seconds > quick.compute_seconds + 0.2, "{seen:?}");
    assert!(slow.wait_seconds < 0.1, "{seen:?}");
    let _ = run.wait().well();
}
