//! The reduction among several ranks, over the network and in shared memory: the same bits as of one rank alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nccl_rs::{Backend, GroupOptions, ProcessGroup, Rendezvous, Store};
use plan::{Reduction, Wire, random::philox};
use reduction::{Memory, Nobody, Reducer, ReducerOptions, ReductionError, Supervisor};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};
use tch::Tensor;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Four buckets of gradients and a bit, and what is no gradient.
const GRADIENTS: usize = 300_001;
const LEN: usize = GRADIENTS + 37;
const STEPS: u32 = 3;
const HERE: Option<u64> = Some(7);

/// Ends generation 1 as soon as it is told to, and counts what it hears.
#[derive(Default)]
struct Impatient {
    ends: AtomicBool,
    beats: AtomicU32,
    waits: AtomicU32,
}

impl Supervisor for Impatient {
    fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    fn is_aborted(&self, generation: u64) -> bool {
        generation == 1 && self.ends.load(Ordering::Acquire)
    }

    fn while_waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.waits.fetch_add(1, Ordering::Relaxed);
        wait()
    }
}

/// Does `rank` on `world` threads, each of them a rank.
fn ranks<T: Send + 'static>(
    world: u32,
    rank: impl Fn(u32, Option<ProcessGroup>) -> T + Send + Sync + 'static,
) -> Vec<T> {
    if world == 1 {
        return vec![rank(0, None)];
    }
    let store = Store::serve(TIMEOUT).unwrap();
    let (port, rank) = (store.port(), Arc::new(rank));
    let ranks: Vec<_> = (0..world)
        .map(|index| {
            let rank = Arc::clone(&rank);
            thread::spawn(move || {
                let store = Store::reach("127.0.0.1", port, index, TIMEOUT).unwrap();
                let host = "127.0.0.1".to_owned();
                let options = GroupOptions {
                    backend: Backend::Gloo,
                    host,
                    rank: index,
                    world_size: world,
                    connect_timeout: TIMEOUT,
                    timeout: TIMEOUT,
                    staged: false,
                };
                rank(index, Some(ProcessGroup::connect(Rendezvous::Served(store), &options, || false).unwrap()))
            })
        })
        .collect();
    ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
}

fn reducer(group: Option<ProcessGroup>, shards: u32, wire: Wire, place: Option<u64>) -> Reducer {
    let options = ReducerOptions { reduction: Reduction::Tree, wire, shards, gradients: GRADIENTS, len: LEN, place };
    Reducer::new(1, group, options, &Memory::main(), &Nobody).unwrap()
}

/// What a shard comes to: floats whose sum depends on the order in which they are added.
fn values(step: u32, shard: u32) -> Tensor {
    let values: Vec<f32> = (0..LEN.div_ceil(4) as u32)
        .flat_map(|block| philox([step, shard], [block, 0, 0, 0]))
        .map(|bits| (bits as f32 / u32::MAX as f32 - 0.5) * (1 << (bits % 12)) as f32)
        .take(LEN)
        .collect();
    Tensor::from_slice(&values)
}

fn step(reducer: &mut Reducer, step: u32, supervisor: &impl Supervisor) -> Result<Vec<u32>, ReductionError> {
    for shard in reducer.shards() {
        let mut vector = reducer.begin_shard(shard)?;
        vector.copy_(&values(step, shard));
        // As a backward pass does, from its end on.
        for from in (0..5).rev().map(|part| part * LEN / 5) {
            reducer.filled(shard, from, supervisor);
        }
        reducer.end_shard(shard, supervisor)?;
    }
    let sum = reducer.finish(supervisor)?;
    let mut bits = vec![0; LEN];
    for (range, piece) in sum.before(LEN).unwrap() {
        let floats = Vec::<f32>::try_from(&piece).unwrap();
        bits[range].copy_from_slice(&floats.into_iter().map(f32::to_bits).collect::<Vec<_>>());
    }
    reducer.release()?;
    Ok(bits)
}

/// The bits of all steps, of every rank.
fn all_steps(world: u32, shards: u32, wire: Wire, place: Option<u64>) -> Vec<Vec<Vec<u32>>> {
    ranks(world, move |_, group| {
        let mut reducer = reducer(group, shards, wire, place);
        assert_eq!(reducer.shares_memory(), world > 1 && place.is_some());
        (0..STEPS).map(|number| step(&mut reducer, number, &Nobody).unwrap()).collect()
    })
}

#[test]
fn any_ranks_come_to_the_bits_of_one() {
    for (shards, wire) in [(4, Wire::Fp32), (7, Wire::Fp32), (5, Wire::Bf16)] {
        let expected = all_steps(1, shards, wire, None).pop().unwrap();
        for world in 2..=4 {
            for place in [None, HERE] {
                for (rank, bits) in all_steps(world, shards, wire, place).into_iter().enumerate() {
                    assert!(bits == expected, "rank {rank} of {world}, {shards} shards, {wire:?}, {place:?}");
                }
            }
        }
    }
}

#[test]
fn ranks_at_several_places_do_not_share() {
    let shared = ranks(3, |rank, group| {
        let place = [Some(1), Some(1), Some(2)][rank as usize];
        let mut reducer = reducer(group, 3, Wire::Fp32, place);
        step(&mut reducer, 0, &Nobody).unwrap();
        reducer.shares_memory()
    });
    assert_eq!(shared, [false; 3]);
}

#[test]
fn who_waits_for_a_rank_that_is_gone_is_told() {
    let outcomes = ranks(2, |rank, group| {
        let mut reducer = reducer(group, 2, Wire::Fp32, HERE);
        step(&mut reducer, 0, &Nobody).unwrap();
        // One goes as a process that is killed does: what it held is let go of.
        if rank == 1 {
            return None;
        }
        let start = Instant::now();
        let error = step(&mut reducer, 1, &Nobody).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
        Some(error.to_string())
    });
    assert_eq!(outcomes, [Some("rank 1 is gone".to_owned()), None]);
}

#[test]
fn who_waits_can_be_told_to_stop() {
    let outcomes = ranks(2, |rank, group| {
        let mut reducer = reducer(group, 2, Wire::Fp32, HERE);
        if rank == 1 {
            // Alive, and late.
            thread::sleep(Duration::from_secs(1));
            return None;
        }
        let supervisor = Arc::new(Impatient::default());
        let aborter = Arc::clone(&supervisor);
        let aborts = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            aborter.ends.store(true, Ordering::Release);
        });
        let error = step(&mut reducer, 0, supervisor.as_ref()).unwrap_err();
        aborts.join().unwrap();
        assert!(error.is_abort());
        // It did its own part and waited for the other rank, and said so.
        assert!(supervisor.beats.load(Ordering::Relaxed) > 0);
        assert!(supervisor.waits.load(Ordering::Relaxed) > 0);
        Some(error.to_string())
    });
    assert_eq!(outcomes, [Some("generation 1 was aborted".to_owned()), None]);
}
