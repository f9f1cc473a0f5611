//! Collectives between real processes: each test starts its own binary again, once a rank.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nccl_rs::{Backend, Error, GroupOptions, Operation, ProcessGroup, Rendezvous, Store};
use std::{
    env,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tch::{Device, Kind, Tensor};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Whether this process is a rank that [`ranks`] started, and then which of how many, and the store's port.
fn role() -> Option<(u32, u32, u16)> {
    let number = |name| env::var(name).ok()?.parse::<u32>().ok();
    Some((number("TEST_RANK")?, number("TEST_WORLD")?, number("TEST_PORT")? as u16))
}

/// Starts `world` ranks of `test`, with a store that this process serves.
fn ranks(test: &str, world: u32) -> (Store, Vec<Child>) {
    let store = Store::serve(TIMEOUT).unwrap();
    let children = (0..world)
        .map(|rank| {
            Command::new(env::current_exe().unwrap())
                .args(["--exact", test, "--nocapture"])
                .env("TEST_RANK", rank.to_string())
                .env("TEST_WORLD", world.to_string())
                .env("TEST_PORT", store.port().to_string())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    (store, children)
}

fn all_succeed(test: &str, world: u32) {
    let (_store, children) = ranks(test, world);
    for (rank, mut child) in children.into_iter().enumerate() {
        assert!(child.wait().unwrap().success(), "rank {rank} of {test} failed");
    }
}

fn join(role: (u32, u32, u16)) -> ProcessGroup {
    join_group(role, false)
}

fn join_group(role: (u32, u32, u16), staged: bool) -> ProcessGroup {
    let (rank, world_size, port) = role;
    let store = Store::reach("127.0.0.1", port, rank, TIMEOUT).unwrap();
    let options = GroupOptions {
        backend: Backend::Gloo,
        host: "127.0.0.1".to_owned(),
        rank,
        world_size,
        connect_timeout: TIMEOUT,
        timeout: TIMEOUT,
        staged,
    };
    ProcessGroup::connect(Rendezvous::Served(store), &options, || false).unwrap()
}

fn zeros(elements: i64) -> Tensor {
    Tensor::zeros([elements], (Kind::Float, Device::Cpu))
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor).unwrap()
}

#[test]
fn collectives() {
    let Some(role) = role() else { return all_succeed("collectives", 3) };
    do_collectives(role, &join(role));
}

/// As tensors on a GPU are added up by Gloo: by way of copies, which this shows without a GPU.
#[test]
fn staged_collectives() {
    let Some(role) = role() else { return all_succeed("staged_collectives", 3) };
    let group = join_group(role, true);
    do_collectives(role, &group);
    // Nothing is in its place before it was waited for, and nothing is brought there twice.
    let mut tensor = Tensor::from_slice(&[1.0_f32]);
    let work = group.all_reduce(&tensor).unwrap();
    assert!(work.tensors().iter().all(|staged| staged.data_ptr() != tensor.data_ptr()));
    while !work.is_done() {
        thread::yield_now();
    }
    assert_eq!(values(&tensor), [1.0]);
    assert!(work.wait_for(TIMEOUT).unwrap());
    assert_eq!(values(&tensor), [3.0]);
    let _ = tensor.fill_(7.0);
    assert!(work.wait_for(TIMEOUT).unwrap());
    assert_eq!(values(&tensor), [7.0]);
}

fn do_collectives(role: (u32, u32, u16), group: &ProcessGroup) {
    let rank = group.rank();
    assert_eq!((rank, group.world_size()), (role.0, 3));
    let mine = rank as f32;

    let tensor = Tensor::from_slice(&[mine + 1.0, 10.0]);
    group.all_reduce(&tensor).unwrap().wait(TIMEOUT).unwrap();
    assert_eq!(values(&tensor), [6.0, 30.0]);

    // Rank r sends r + 1 elements, all r, to each other rank.
    let input = Tensor::full([3 * (i64::from(rank) + 1)], f64::from(mine), (Kind::Float, Device::Cpu));
    let output = zeros(6);
    let sizes = [i64::from(rank) + 1; 3];
    group.all_to_all(&output, &input, &[1, 2, 3], &sizes).unwrap().wait(TIMEOUT).unwrap();
    assert_eq!(values(&output), [0.0, 1.0, 1.0, 2.0, 2.0, 2.0]);

    let output = zeros(6);
    group.all_gather(&output, &Tensor::from_slice(&[mine, -mine])).unwrap().wait(TIMEOUT).unwrap();
    assert_eq!(values(&output), [0.0, 0.0, 1.0, -1.0, 2.0, -2.0]);

    let tensor = Tensor::from_slice(&[mine * 7.0]);
    group.broadcast(&tensor, 2).unwrap().wait(TIMEOUT).unwrap();
    assert_eq!(values(&tensor), [14.0]);

    let work = group.barrier().unwrap();
    while !work.is_done() {
        thread::yield_now();
    }
    work.wait(TIMEOUT).unwrap();
}

#[test]
fn wrong_sizes_are_refused() {
    let Some(role) = role() else { return all_succeed("wrong_sizes_are_refused", 2) };
    let group = join(role);
    let error = group.all_to_all(&zeros(4), &zeros(4), &[2, 2], &[3, 2]).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("rank {}: all-to-all: input of 4 elements with sizes [3, 2] for 2 ranks", role.0)
    );
    assert!(group.all_gather(&zeros(3), &zeros(2)).is_err());
    group.barrier().unwrap().wait(TIMEOUT).unwrap();
}

/// A rank dies in the middle of a collective: the others are told at once, and in one line.
#[test]
fn a_rank_dies_in_a_collective() {
    let Some(role) = role() else {
        let (_store, children) = ranks("a_rank_dies_in_a_collective", 3);
        for (rank, mut child) in children.into_iter().enumerate() {
            assert_eq!(child.wait().unwrap().success(), rank != 1, "rank {rank}");
        }
        return;
    };
    let group = join(role);
    group.barrier().unwrap().wait(TIMEOUT).unwrap();
    if role.0 == 1 {
        std::process::abort();
    }
    let start = Instant::now();
    let error = group.all_reduce(&zeros(1_000_000)).and_then(|work| work.wait(TIMEOUT)).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(2), "noticed after {:?}", start.elapsed());
    let Error::Backend { rank, operation, message } = error else { panic!("{error}") };
    assert_eq!((rank, operation), (role.0, Operation::AllReduce));
    assert!(!message.is_empty() && !message.contains('\n'), "{message}");
}

/// A rank stands still: the others can poll, give up, drop everything, and none of it hangs.
#[test]
fn a_collective_can_be_abandoned() {
    let Some(role) = role() else { return all_succeed("a_collective_can_be_abandoned", 2) };
    let group = join(role);
    if role.0 == 1 {
        thread::sleep(Duration::from_secs(2));
        std::process::exit(0);
    }
    let start = Instant::now();
    let mut laps = Vec::new();
    let work = group.all_reduce(&zeros(1_000_000)).unwrap();
    laps.push(("begun", start.elapsed()));
    assert!(!work.wait_for(Duration::from_millis(50)).unwrap());
    assert!(!work.is_done());
    let error = work.wait_unless(TIMEOUT, || start.elapsed() > Duration::from_millis(100)).unwrap_err();
    assert!(matches!(error, Error::Cancelled { rank: 0, operation: Operation::AllReduce }), "{error}");
    laps.push(("cancelled", start.elapsed()));
    let error = group.barrier().unwrap().wait(Duration::from_millis(100)).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    laps.push(("barrier", start.elapsed()));
    group.abort().unwrap();
    laps.push(("aborted", start.elapsed()));
    drop(group);
    assert!(start.elapsed() < Duration::from_secs(1), "took {:?}: {laps:?}", start.elapsed());
    std::process::exit(0);
}

/// A rank never comes: building the group can be given up.
#[test]
fn connecting_can_be_cancelled() {
    let store = Store::serve(TIMEOUT).unwrap();
    let options = GroupOptions {
        backend: Backend::Gloo,
        host: "127.0.0.1".to_owned(),
        rank: 0,
        world_size: 2,
        connect_timeout: Duration::from_secs(1),
        timeout: TIMEOUT,
        staged: false,
    };
    let start = Instant::now();
    let error =
        ProcessGroup::connect(Rendezvous::Served(store), &options, || start.elapsed() > Duration::from_millis(50))
            .unwrap_err();
    assert!(matches!(error, Error::Cancelled { operation: Operation::Connect, .. }), "{error}");
    assert!(start.elapsed() < Duration::from_millis(500));
}

#[cfg(not(feature = "cuda"))]
#[test]
fn without_nccl_the_error_says_how_to_get_it() {
    let store = Store::serve(TIMEOUT).unwrap();
    let options = GroupOptions {
        backend: Backend::for_device(Device::Cuda(0)),
        host: "127.0.0.1".to_owned(),
        rank: 0,
        world_size: 1,
        connect_timeout: TIMEOUT,
        timeout: TIMEOUT,
        staged: false,
    };
    assert_eq!(ProcessGroup::connect(Rendezvous::Served(store), &options, || false).unwrap_err(), Error::NoNccl);
}
