//! How the state machine notices what is wrong, and what it says of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod simulation;

use plan::{Blame, Position};
use simulation::{Cluster, options};
use std::time::Duration;
use steering::{Decision, Event, Failure, Outcome};

#[test]
fn a_stop_saves_after_the_step_in_progress() {
    let mut cluster = Cluster::new(options(4));
    cluster.attach();
    cluster.attach();
    // Form, connect, synchronise, two steps.
    for _ in 0..5 {
        assert!(cluster.advance());
    }
    cluster.stop();
    while cluster.ending.is_none() {
        assert!(cluster.advance());
    }
    assert_eq!(cluster.ending.as_ref().unwrap().outcome, Outcome::Stopped);
    // The same command goes on from there.
    cluster.go_on_after_a_stop();
    assert_eq!(cluster.disk.as_ref().unwrap().at, Position { epoch: 0, step: 3 });
    cluster.finish(100);
    cluster.assert_finished();
}

/// A sign of life of a worker whose engine has done `pulse` things.
fn alive(generation: u64, pulse: u64, waiting: bool) -> Event {
    let (position, stretch) = (Position { epoch: 0, step: 1 }, Duration::ZERO);
    Event::Progress { generation, position, pulse, waiting, compute: 0.1, stretch }
}

/// Two workers that train, and then 11 s in which both are heard of, with these pulses and waits in the end.
fn after_a_while(workers: [(u64, bool); 2]) -> Cluster {
    let mut cluster = Cluster::new(options(4));
    cluster.attach();
    cluster.attach();
    // Form, connect, synchronise, a step.
    for _ in 0..4 {
        assert!(cluster.advance());
    }
    for (worker, (_, waiting)) in [1, 2].into_iter().zip(workers) {
        cluster.handle(worker, alive(1, 1, waiting));
    }
    for _ in 0..11 {
        cluster.now += Duration::from_secs(1);
        for (worker, (pulse, waiting)) in [1, 2].into_iter().zip(workers) {
            cluster.handle(worker, alive(1, pulse, waiting));
        }
        cluster.tick();
    }
    cluster
}

#[test]
fn a_worker_that_lives_and_does_nothing_is_given_up_by_name() {
    // The second is stuck; the first waits for it.
    let cluster = after_a_while([(1, true), (1, false)]);
    assert_eq!(cluster.steering.workers().keys().collect::<Vec<_>>(), [&1]);
    let kind = &cluster.steering.recoveries()[0].kind;
    assert!(kind.starts_with("w2 lost: no progress for 10"), "{kind}");
    assert_eq!(cluster.steering.generation(), 2);
}

#[test]
fn workers_that_all_wait_form_a_new_generation() {
    let cluster = after_a_while([(1, true), (1, true)]);
    assert_eq!((cluster.steering.workers().len(), cluster.steering.generation()), (2, 2));
    assert!(cluster.steering.status().reason.contains("has waited for the others"));
}

#[test]
fn a_silent_worker_is_given_up_by_name() {
    let mut cluster = Cluster::new(options(4));
    cluster.attach();
    cluster.attach();
    let mut decisions = Vec::new();
    // One speaks; the other does not.
    for pulse in 0..22 {
        cluster.now += Duration::from_millis(500);
        cluster.handle(1, alive(0, pulse, false));
        decisions.extend(cluster.steering.tick(cluster.now));
    }
    let dropped: Vec<_> = decisions.iter().filter(|d| matches!(d, Decision::Drop { worker: 2, .. })).collect();
    assert_eq!(dropped.len(), 1, "{decisions:?}");
    assert!(cluster.steering.recoveries()[0].kind.starts_with("w2 lost: silent for 10"));
}

#[test]
fn a_straggler_is_named_once() {
    let mut cluster = Cluster::new(options(4));
    (0..3).for_each(|_| cluster.attach());
    while !cluster.steering.status().reason.starts_with("training") {
        assert!(cluster.advance());
    }
    let mut notes = Vec::new();
    for pulse in 1..30 {
        cluster.now += Duration::from_secs(1);
        let generation = cluster.generation;
        // Four shards: the last of three has two of them and may take twice as long.
        for (worker, compute) in [(1, 0.5), (2, 0.2), (3, 0.4)] {
            let (position, waiting) = (Position { epoch: 0, step: 1 }, false);
            let stretch = Duration::ZERO;
            cluster.handle(worker, Event::Progress { generation, position, pulse, waiting, compute, stretch });
        }
        notes.extend(cluster.steering.tick(cluster.now));
    }
    assert_eq!(notes.len(), 1, "{notes:?}");
    let expected = "w1 is slow: a shard takes it 0.500 s, and the others 0.200 s; all wait for it";
    assert_eq!(notes[0], Decision::Note(expected.to_owned()));
}

#[test]
fn too_few_workers_are_waited_for_in_words() {
    let mut cluster = Cluster::new(options(4));
    assert_eq!(cluster.steering.status().reason, "waiting for 2 of 2 workers");
    cluster.attach();
    assert_eq!(cluster.generation, 0);
}

#[test]
fn however_many_die_in_a_row_the_run_is_not_given_up() {
    let mut cluster = Cluster::new(options(4));
    cluster.attach();
    cluster.attach();
    for _ in 0..20 {
        while !cluster.is_training() {
            assert!(cluster.ending.is_none() && cluster.advance());
        }
        // The other reports first that its collective failed.
        let victim = cluster.members[0];
        cluster.die_in_step(victim, 0);
        cluster.attach();
    }
    cluster.finish(100);
    cluster.assert_finished();
}

#[test]
fn a_state_of_a_course_that_was_given_up_is_of_no_use() {
    let mut cluster = Cluster::new(options(4));
    cluster.attach();
    cluster.attach();
    while cluster.epochs.is_empty() || !cluster.is_training() {
        assert!(cluster.advance());
    }
    // The coordinator loses what was not on disk yet, and only workers come back that hold nothing.
    cluster.disk = None;
    let away = std::mem::take(&mut cluster.workers);
    cluster.restart(0, 0);
    cluster.attach();
    cluster.attach();
    while !cluster.is_training() {
        assert!(cluster.advance());
    }
    assert_eq!(cluster.epochs.len(), 0, "the first epoch is done again");
    // Then those that know better.
    cluster.workers.extend(away);
    cluster.restart(0, 0);
    cluster.finish(100);
    cluster.assert_finished();
}

/// The first of two says that the loss is no number: it may be sick. The other one says so too: the run has diverged.
#[test]
fn one_alone_ends_no_run() {
    let diverged = |generation| Event::Failed {
        generation,
        failure: Failure { message: "the loss became NaN".to_owned(), blame: Blame::Diverged },
    };
    let mut cluster = Cluster::new(options(4));
    cluster.attach();
    cluster.attach();
    while !cluster.is_training() {
        assert!(cluster.advance());
    }
    cluster.handle(2, diverged(1));
    assert_eq!((cluster.members.as_slice(), cluster.generation), (&[1][..], 2));
    assert_eq!(cluster.steering.conduct("w2").unwrap().reason, "the loss became NaN");
    let mut sick = cluster;
    let mut truly = Cluster::new(options(4));
    truly.attach();
    truly.attach();
    while !truly.is_training() {
        assert!(truly.advance());
    }
    truly.handle_all(vec![(2, diverged(1)), (1, diverged(1))]);
    let ending = truly.ending.unwrap();
    assert_eq!((ending.outcome, ending.reason.as_str()), (Outcome::Failed, "w1: the loss became NaN"));
    sick.finish(300);
    sick.assert_finished();
}

/// A newcomer's wrong state is in no sum, so nobody goes back for it. Of two members it is the one that is not
/// believed.
#[test]
fn a_newcomer_with_a_wrong_state_is_given_up() {
    let mut cluster = Cluster::new(options(4));
    cluster.attach();
    cluster.attach();
    for _ in 0..5 {
        assert!(cluster.advance());
    }
    cluster.detach(2);
    while !cluster.is_training() {
        assert!(cluster.advance());
    }
    cluster.attach();
    while !cluster.is_training() || cluster.members.len() < 2 {
        assert!(cluster.advance());
    }
    let (generation, position) = (cluster.generation, cluster.workers[&1].held.as_ref().unwrap().at);
    let digest = cluster.workers[&1].digest();
    cluster.handle(3, Event::Digest { generation, position, digest: 12345 });
    cluster.handle(1, Event::Digest { generation, position, digest });
    assert_eq!(cluster.steering.members(), [1]);
    cluster.finish(300);
    cluster.assert_finished();
}
