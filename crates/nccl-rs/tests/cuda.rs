//! NCCL, as far as it goes: without a GPU its version and its error, with one the collectives themselves.
//!
//! `cargo xtask check-cuda` runs these. On a machine with GPUs: `cargo test --release -p nccl-rs --features cuda`.

#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nccl_rs::environment::SETTINGS;
use nccl_rs::{Backend, Error, GroupOptions, Operation, ProcessGroup, Rendezvous, Store, nccl_version};
use std::{
    env,
    io::Write,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tch::{Cuda, Device, Kind, Tensor};

const TIMEOUT: Duration = Duration::from_secs(30);

fn options(rank: u32, world_size: u32, device: usize) -> GroupOptions {
    let backend = Backend::for_device(Device::Cuda(device));
    let host = "127.0.0.1".to_owned();
    GroupOptions { backend, host, rank, world_size, connect_timeout: TIMEOUT, timeout: TIMEOUT, staged: false }
}

#[test]
fn nccl_tells_its_version() {
    let version = nccl_version();
    assert!((20_000..100_000).contains(&version), "{version}");
}

/// Past the capture of a passing test's output: that it did not run has to be seen.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

#[test]
fn without_a_gpu_the_error_says_so_and_comes_at_once() {
    if Cuda::is_available() {
        skipped("this machine has a GPU");
        return;
    }
    if env::var_os("TEST_RANK").is_none() {
        let test = "without_a_gpu_the_error_says_so_and_comes_at_once";
        assert!(prepared(test, 0, 0).status().unwrap().success());
        return;
    }
    let start = Instant::now();
    let store = Store::serve(TIMEOUT).unwrap();
    let error = ProcessGroup::connect(Rendezvous::Served(store), &options(0, 1, 0), || false).unwrap_err();
    assert!(matches!(&error, Error::Backend { operation: Operation::Connect, .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains("GPU") && !words.contains('\n'), "{words}");
    assert!(start.elapsed() < Duration::from_secs(10), "after {:?}", start.elapsed());
}

/// This binary once more, for `test` as `rank`, in the environment that groups on GPUs need.
fn prepared(test: &str, rank: u32, port: u16) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env("TEST_RANK", rank.to_string()).env("TEST_PORT", port.to_string());
    command.envs(SETTINGS.map(|setting| (setting.name, setting.value)));
    command
}

#[test]
fn without_the_environment_no_group_is_made() {
    let store = Store::serve(TIMEOUT).unwrap();
    let error = ProcessGroup::connect(Rendezvous::Served(store), &options(0, 1, 0), || false).unwrap_err();
    assert!(matches!(error, Error::Unprepared { variable } if variable == SETTINGS[0].name), "{error}");
}

/// The ranks of `test`, this binary started again, one GPU each; `None` without that many.
fn ranks(test: &str, world: u32) -> Option<(Store, Vec<Child>)> {
    if Cuda::device_count() < i64::from(world) {
        skipped(&format!("{test} needs {world} GPUs, and this machine has {}", Cuda::device_count()));
        return None;
    }
    let store = Store::serve(TIMEOUT).unwrap();
    let child = |rank: u32| prepared(test, rank, store.port()).stdout(Stdio::null()).spawn().unwrap();
    let children = (0..world).map(child).collect();
    Some((store, children))
}

/// The rank that this process plays, and its group of `world`; `None` in the process that starts them.
fn role(world: u32) -> Option<(u32, ProcessGroup)> {
    let number = |name| env::var(name).ok()?.parse::<u32>().ok();
    let (rank, port) = (number("TEST_RANK")?, number("TEST_PORT")? as u16);
    let store = Store::reach("127.0.0.1", port, rank, TIMEOUT).unwrap();
    Some((
        rank,
        ProcessGroup::connect(Rendezvous::Served(store), &options(rank, world, rank as usize), || false).unwrap(),
    ))
}

fn filled(rank: u32, elements: i64, value: f64) -> Tensor {
    Tensor::full([elements], value, (Kind::Float, Device::Cuda(rank as usize)))
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.to_device(Device::Cpu)).unwrap()
}

#[test]
fn one_gpu_is_a_group_of_one() {
    if !Cuda::is_available() {
        skipped("no GPU");
        return;
    }
    let test = "one_gpu_is_a_group_of_one";
    if env::var_os("TEST_RANK").is_none() {
        assert!(prepared(test, 0, 0).status().unwrap().success());
        return;
    }
    exchange_alone(&options(0, 1, 0));
}

/// Of tensors on a GPU, by way of main memory.
#[test]
fn gloo_serves_a_gpu() {
    if !Cuda::is_available() {
        skipped("no GPU");
        return;
    }
    exchange_alone(&GroupOptions { backend: Backend::Gloo, staged: true, ..options(0, 1, 0) });
}

fn exchange_alone(options: &GroupOptions) {
    let group = ProcessGroup::connect(Rendezvous::Served(Store::serve(TIMEOUT).unwrap()), options, || false).unwrap();
    let (sent, received) = (filled(0, 8, 3.0), filled(0, 8, 0.0));
    group.all_to_all(&received, &sent, &[8], &[8]).unwrap().wait(TIMEOUT).unwrap();
    assert_eq!(values(&received), [3.0; 8]);
    group.broadcast(&received, 0).unwrap().wait(TIMEOUT).unwrap();
    assert_eq!(values(&received), [3.0; 8]);
}

#[test]
fn two_gpus_exchange_and_broadcast() {
    const TEST: &str = "two_gpus_exchange_and_broadcast";
    if let Some((rank, group)) = role(2) {
        let (sent, received) = (filled(rank, 2, f64::from(rank + 1)), filled(rank, 2, 0.0));
        group.all_to_all(&received, &sent, &[1, 1], &[1, 1]).unwrap().wait(TIMEOUT).unwrap();
        assert_eq!(values(&received), [1.0, 2.0]);
        group.broadcast(&sent, 1).unwrap().wait(TIMEOUT).unwrap();
        assert_eq!(values(&sent), [2.0, 2.0]);
    } else if let Some((_store, children)) = ranks(TEST, 2) {
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
    }
}

#[test]
fn a_gpu_that_is_gone_does_not_hold_the_other() {
    const TEST: &str = "a_gpu_that_is_gone_does_not_hold_the_other";
    if let Some((rank, group)) = role(2) {
        let tensor = filled(rank, 1 << 20, 1.0);
        group.all_reduce(&tensor).unwrap().wait(TIMEOUT).unwrap();
        if rank == 1 {
            std::process::exit(0);
        }
        // The coordinator would say so within milliseconds.
        let start = Instant::now();
        let gone = || start.elapsed() > Duration::from_millis(500);
        let error = group.all_reduce(&tensor).unwrap().wait_unless(TIMEOUT, gone).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. } | Error::Backend { .. }), "{error}");
        drop(group);
        assert!(start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
        // Destructors of C++ statics would wait for the group that was left behind.
        std::process::exit(0);
    } else if let Some((_store, children)) = ranks(TEST, 2) {
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
    }
}
