//! The state machine with ten thousand workers, of which some die, fall silent, leave and come all the time. The same on
//! every machine: nothing in it depends on how long anything takes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod simulation;

use plan::random::{below, philox};
use simulation::{Cluster, options};
use steering::{Event, Options, WorkerId};

const WORKERS: u32 = 10_000;
const SEED: u32 = 7;

#[test]
fn ten_thousand_workers_come_and_go() {
    let options = Options { workers: WORKERS as usize, min_workers: 9_000, ..options(WORKERS) };
    let mut cluster = Cluster::new(options);
    (0..WORKERS).for_each(|_| cluster.attach());
    assert_eq!((cluster.steering.generation(), cluster.members.len()), (1, WORKERS as usize));
    let began = std::time::Instant::now();
    let mut faults = 0;
    for turn in 0.. {
        if cluster.ending.is_some() {
            break;
        }
        let [what, who, committed, _] = philox([SEED, 0], [turn, 0, 0, 0]);
        let picked: WorkerId = *cluster.workers.keys().nth(below(who, cluster.workers.len() as u32) as usize).unwrap();
        // Some more than half of all turns are of those that obey, so that there are steps in between.
        match below(what, 10) {
            0 => cluster.detach(picked),
            1 => cluster.die_in_step(picked, u64::from(committed)),
            2 => cluster.silence(picked),
            3 => cluster.handle(picked, Event::Leaving { reason: "asked".to_owned() }),
            _ => {
                cluster.let_leavers_go();
                while cluster.workers.len() < WORKERS as usize && cluster.ending.is_none() {
                    cluster.attach();
                }
                cluster.advance();
                continue;
            }
        }
        faults += 1;
    }
    println!(
        "{faults} faults, {} generations, in {:.1?}; the longest decision took {:.1?}",
        cluster.generation,
        began.elapsed(),
        cluster.longest
    );
    assert!(faults > 20 && cluster.generation > faults / 2, "{faults} faults, {} generations", cluster.generation);
    cluster.finish(1);
    cluster.assert_finished();
}
