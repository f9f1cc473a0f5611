//! Pauses, and checkpoints that somebody asks for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod simulation;

use plan::{Held, Position, Totals};
use simulation::{Cluster, options};
use std::time::Duration;
use steering::{Decision, Event, Options, Order, Outcome, RunState};

/// Two workers of a run that saves nothing by itself within an epoch, after `advances`.
fn cluster(advances: u32) -> Cluster {
    let mut cluster = Cluster::new(Options { checkpoint_every: None, ..options(4) });
    cluster.attach();
    cluster.attach();
    for _ in 0..advances {
        assert!(cluster.advance());
    }
    cluster
}

/// Form, connect, synchronise, two steps.
const TWO_STEPS: u32 = 5;

/// Goes on until nothing happens any more.
fn come_to_rest(cluster: &mut Cluster) {
    let mut most = 0..500;
    while cluster.ending.is_none() && most.next().is_some() && cluster.advance() {}
}

#[test]
fn a_pause_saves_after_the_step_in_progress_and_keeps_the_workers() {
    let mut cluster = cluster(TWO_STEPS);
    cluster.pause();
    come_to_rest(&mut cluster);
    let status = cluster.steering.status();
    assert_eq!((status.state, status.reason.as_str()), (RunState::Paused, "a person wants quiet"));
    assert_eq!(cluster.disk.as_ref().unwrap().at, Position { epoch: 0, step: 3 });
    // However long it takes, nobody is judged by it.
    cluster.pass(Duration::from_hours(1));
    assert_eq!((cluster.steering.workers().len(), cluster.steering.status().state), (2, RunState::Paused));
    let before = cluster.steering.generation();
    cluster.resume();
    assert_eq!(cluster.steering.generation(), before + 1);
    cluster.finish(100);
    cluster.assert_finished();
    let longest = cluster.epochs.iter().map(|record| record.seconds).fold(0.0, f64::max);
    assert!(longest < 60.0, "an epoch with a pause of an hour took {longest} s");
}

#[test]
fn a_pause_is_no_part_of_a_recovery() {
    for before in [true, false] {
        let mut cluster = cluster(TWO_STEPS);
        let first = *cluster.workers.keys().next().unwrap();
        if before {
            cluster.detach(first);
            cluster.pause();
        } else {
            cluster.pause();
            cluster.detach(first);
        }
        come_to_rest(&mut cluster);
        assert_eq!(cluster.steering.status().state, RunState::Paused);
        cluster.pass(Duration::from_hours(1));
        cluster.resume();
        cluster.finish(300);
        cluster.assert_finished();
        let recoveries = cluster.steering.recoveries();
        assert!(!recoveries.is_empty(), "lost before the pause: {before}");
        let longest = recoveries.iter().filter_map(|recovery| recovery.resumed_ms).max().unwrap();
        assert!(longest < 60_000, "a recovery with a pause of an hour took {longest} ms");
    }
}

#[test]
fn what_a_worker_brings_during_a_pause_is_saved_at_once() {
    /// A worker that was out of reach while the others were halted.
    const LATE: u64 = 77;
    for news in [true, false] {
        let mut cluster = cluster(TWO_STEPS);
        cluster.pause();
        come_to_rest(&mut cluster);
        let saved = cluster.disk.as_ref().unwrap().at;
        let position = Position { step: saved.step + u32::from(news), ..saved };
        let held = Held { position, totals: Totals::default(), lineage: cluster.steering.generation() };
        let (name, host, generation) = ("late".to_owned(), "127.0.0.1".to_owned(), held.lineage);
        let event = Event::Attached { name, host, held: Some(held), generation };
        let decisions = cluster.steering.handle_all([(cluster.now, LATE, event)]);
        let asked = decisions
            .iter()
            .any(|decision| matches!(decision, Decision::Send { worker: LATE, order: Order::Attest { .. } }));
        assert_eq!(asked, news, "{decisions:?}");
        let state = if news { RunState::Saving } else { RunState::Paused };
        assert_eq!(cluster.steering.status().state, state);
    }
}

#[test]
fn whenever_a_pause_is_asked_for_nothing_is_lost() {
    for advances in 0..40 {
        let mut cluster = cluster(0);
        for _ in 0..advances {
            cluster.advance();
        }
        cluster.pause();
        come_to_rest(&mut cluster);
        if cluster.ending.is_none() {
            assert_eq!(cluster.steering.status().state, RunState::Paused, "after {advances}");
            let held = cluster.steering.held();
            assert_eq!(held.unwrap_or_default(), cluster.disk.as_ref().map(|state| state.at).unwrap_or_default());
            // A worker is lost, and another one comes.
            let first = *cluster.workers.keys().next().unwrap();
            cluster.detach(first);
            cluster.attach();
            cluster.pass(Duration::from_secs(30));
            assert_eq!(cluster.steering.status().state, RunState::Paused);
        }
        cluster.finish(300);
        cluster.assert_finished();
    }
}

#[test]
fn a_run_that_is_paused_can_be_stopped_and_a_run_that_ends_cannot_be_paused() {
    let mut cluster = cluster(TWO_STEPS);
    cluster.pause();
    come_to_rest(&mut cluster);
    cluster.stop();
    assert_eq!(cluster.steering.pause(cluster.now, "again"), None);
    come_to_rest(&mut cluster);
    assert_eq!(cluster.ending.as_ref().unwrap().outcome, Outcome::Stopped);
    assert_eq!(cluster.steering.save_now(cluster.now), None);
    assert!(cluster.steering.resume(cluster.now).is_empty());
}

#[test]
fn the_last_worker_of_a_paused_run_may_leave() {
    let mut cluster = cluster(TWO_STEPS);
    cluster.pause();
    come_to_rest(&mut cluster);
    for worker in cluster.workers.keys().copied().collect::<Vec<_>>() {
        cluster.handle(worker, Event::Leaving { reason: "asked".to_owned() });
    }
    for _ in 0..10 {
        cluster.advance();
        cluster.let_leavers_go();
    }
    assert!(cluster.workers.is_empty(), "{:?}", cluster.workers);
    cluster.finish(300);
    cluster.assert_finished();
}

#[test]
fn a_checkpoint_that_is_asked_for_comes_whenever_that_is() {
    for advances in 0..40 {
        let mut cluster = cluster(0);
        for _ in 0..advances {
            cluster.advance();
        }
        let held = cluster.steering.held().unwrap_or_default();
        let asked = cluster.steering.save_now(cluster.now);
        if let Some(decisions) = asked {
            cluster.carry_out(decisions);
            let mut most = 0..100;
            while cluster.steering.is_saving() && most.next().is_some() {
                cluster.advance();
            }
            assert!(!cluster.steering.is_saving(), "after {advances}");
            // It is on its way to the disk by now.
            for _ in 0..2 {
                cluster.advance();
            }
            let saved = cluster.disk.as_ref().map(|state| state.at).unwrap_or_default();
            assert!(saved >= held, "{saved} is saved, and {held} was held, after {advances}");
        }
        cluster.finish(300);
        cluster.assert_finished();
    }
}
