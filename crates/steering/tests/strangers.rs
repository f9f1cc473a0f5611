//! Strangers that say all the right words and do nothing hold nobody up for long.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod simulation;

use plan::Position;
use simulation::{Cluster, Illness, options};
use std::time::Duration;
use steering::{Event, Options, Outcome, RunState};

const SECOND: Duration = Duration::from_secs(1);

/// Goes on until an epoch is recorded or the time is over. Returns how long it took.
fn until_an_epoch_is_done(cluster: &mut Cluster, most: Duration) -> Duration {
    let began = cluster.now;
    while cluster.epochs.is_empty() && cluster.now < began + most && cluster.ending.is_none() {
        cluster.prepare_all();
        if !cluster.advance() {
            cluster.pass(SECOND);
        }
    }
    assert_eq!(cluster.epochs.len(), 1, "{:#?}", cluster.notes);
    cluster.now.saturating_sub(began)
}

/// One that says it is ready and slow, and seems to work, has the only place for newcomers. It has it for 20 time-outs.
#[test]
fn one_that_seems_to_work_gives_its_place_to_another() {
    let mut cluster = Cluster::new(options(4));
    cluster.attach();
    cluster.attach_ill(Illness::Poses);
    let took = until_an_epoch_is_done(&mut cluster, Duration::from_mins(20));
    assert!(took < 25 * options(4).failure_timeout, "{took:?}");
}

/// The same with a single place, also for one that says that it has done a step.
#[test]
fn nor_does_it_keep_the_only_place() {
    for illness in [Illness::Poses, Illness::Boasts] {
        let mut cluster = Cluster::new(Options { workers: 1, ..options(1) });
        cluster.attach_ill(illness);
        cluster.attach();
        let took = until_an_epoch_is_done(&mut cluster, Duration::from_mins(20));
        assert!(took < 25 * options(1).failure_timeout, "{illness:?}: {took:?}");
    }
}

/// Workers that all say that they are as slow are believed for longer than one that says so alone.
#[test]
fn who_is_as_slow_as_the_others_is_waited_for() {
    let mut cluster = Cluster::new(Options { workers: 1, ..options(1) });
    let slow = Event::Prepared { stretch: 8 * SECOND, shard: Duration::ZERO };
    cluster.attach();
    cluster.handle(1, slow.clone());
    for _ in 0..3 {
        assert!(cluster.advance());
    }
    cluster.attach();
    cluster.handle(2, slow);
    for second in 0..500 {
        cluster.now += SECOND;
        for worker in [1, 2] {
            let (generation, position) = (cluster.generation, Position::default());
            let (pulse, waiting, stretch) = (second, worker == 2, 8 * SECOND);
            let event = Event::Progress { generation, position, pulse, waiting, compute: 0.0, stretch };
            cluster.handle(worker, event);
        }
        cluster.tick();
        assert!(cluster.steering.workers().contains_key(&1), "after {second} s: {:#?}", cluster.notes);
    }
}

/// A run for three workers begins with two, once the third has failed again and again before it was a member.
#[test]
fn who_fails_again_and_again_is_not_waited_for() {
    let mut cluster = Cluster::new(Options { workers: 3, ..options(4) });
    cluster.attach();
    cluster.attach();
    let bad = cluster.attach_unprepared();
    for pause in [2, 4, 8, 16] {
        cluster.fail_of_its_own(Some(bad), 0);
        cluster.pass(pause * SECOND);
        assert!(!cluster.advance(), "a third may still come");
    }
    cluster.fail_of_its_own(Some(bad), 0);
    cluster.pass(SECOND);
    for _ in 0..30 {
        cluster.advance();
    }
    assert_eq!((cluster.members.as_slice(), cluster.epochs.is_empty()), ([1, 2].as_slice(), false));
    cluster.finish(300);
    cluster.assert_finished();
}

/// One that does its steps and never tells what it evaluated gives way to those who have told their part.
#[test]
fn one_that_lingers_in_an_evaluation_is_not_waited_for() {
    for stop in [false, true] {
        let mut cluster = Cluster::new(Options { workers: 1, ..options(1) });
        cluster.attach_ill(Illness::Lingers);
        while cluster.steering.status().state != RunState::Evaluating {
            assert!(cluster.advance(), "{:#?}", cluster.notes);
        }
        if stop {
            // Nobody else is there, and the stop does not wait for it.
            cluster.stop();
            for _ in 0..25 {
                cluster.pass(options(1).failure_timeout);
            }
            assert_eq!(
                cluster.ending.as_ref().map(|ending| ending.outcome),
                Some(Outcome::Stopped),
                "{:#?}",
                cluster.notes
            );
        } else {
            cluster.attach();
            let took = until_an_epoch_is_done(&mut cluster, Duration::from_mins(20));
            assert!(took < 25 * options(1).failure_timeout, "{took:?}");
        }
    }
}

/// The only holder of the last state does not send it. It is set aside, and another worker does the steps again.
#[test]
fn one_that_keeps_the_last_state_is_set_aside() {
    for illness in [Illness::Withholds, Illness::Keeps] {
        let mut cluster = Cluster::new(Options { workers: 1, ..options(1) });
        let keeper = cluster.attach_ill(illness);
        cluster.attach();
        cluster.finish(2000);
        cluster.assert_finished();
        let conduct = cluster.steering.conduct(&format!("w{keeper}"));
        let conduct = conduct.unwrap_or_else(|| panic!("{:#?}", cluster.notes));
        let why = if illness == Illness::Keeps { "did not come" } else { "does not hold the state" };
        assert!(conduct.reason.contains(why), "{conduct:?}");
        assert!(cluster.generation < 20, "{:#?}", cluster.notes);
    }
}

/// Reports of a worker that is set aside already count for nothing, however many there are.
#[test]
fn one_that_fails_again_and_again_in_its_pause_is_counted_once() {
    let mut cluster = Cluster::new(options(4));
    cluster.attach();
    cluster.attach();
    for _ in 0..5 {
        cluster.advance();
    }
    let bad = cluster.attach_unprepared();
    let before = cluster.notes.len();
    for _ in 0..100 {
        cluster.fail_of_its_own(Some(bad), 0);
    }
    assert_eq!(cluster.steering.conduct(&format!("w{bad}")).unwrap().strikes, 1);
    assert_eq!(cluster.notes.len(), before + 1, "{:#?}", cluster.notes);
}

/// Workers keep coming while a generation is formed. It is formed all the same.
#[test]
fn those_who_come_do_not_keep_a_generation_from_being_formed() {
    let mut cluster = Cluster::new(options(64));
    cluster.attach();
    cluster.attach();
    for _ in 0..40 {
        cluster.attach();
        cluster.advance();
    }
    assert!(cluster.is_training() || !cluster.epochs.is_empty(), "{:#?}", cluster.notes);
    assert!(cluster.workers.values().any(|worker| worker.held.as_ref().is_some_and(|held| !held.steps.is_empty())));
}
