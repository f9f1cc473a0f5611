//! Strangers that say all the right words and do nothing hold nobody up for long.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod simulation;

use simulation::{Cluster, Illness, options};
use std::time::Duration;
use steering::Options;

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

/// One that says it is ready and slow, and seems to work, has the only place that newcomers get. It has it for 20 time-outs.
#[test]
fn one_that_seems_to_work_gives_its_place_to_another() {
    let mut cluster = Cluster::new(options(4));
    cluster.attach();
    cluster.attach_ill(Illness::Poses);
    let took = until_an_epoch_is_done(&mut cluster, Duration::from_mins(20));
    assert!(took < 25 * options(4).failure_timeout, "{took:?}");
}

/// The same where there is one place.
#[test]
fn nor_does_it_keep_the_only_place() {
    let mut cluster = Cluster::new(Options { workers: 1, ..options(1) });
    cluster.attach_ill(Illness::Poses);
    cluster.attach();
    let took = until_an_epoch_is_done(&mut cluster, Duration::from_mins(20));
    assert!(took < 25 * options(1).failure_timeout, "{took:?}");
}

/// A run that is to begin with three begins with two, once the third has failed again and again before it was a member.
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
