//! What newcomers may cost those who work: a tenth of their time, whatever is wrong with them and however many they are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod simulation;

use plan::{Blame, Held, Position, Totals};
use simulation::{Cluster, Illness, options};
use std::time::Duration;
use steering::{Decision, Event, Failure, Options, WorkerId};

const SECOND: Duration = Duration::from_secs(1);

/// A run of so many workers that does not end before the test does.
fn long(workers: usize) -> Options {
    let mut options = Options { workers, ..options(4) };
    options.course.epochs = 10_000;
    options
}

/// So many workers that train together, and have done a step.
fn at_work(workers: u32) -> Cluster {
    let mut cluster = Cluster::new(long(2));
    (0..workers).for_each(|_| cluster.attach());
    // Form, connect, synchronise, two steps.
    for _ in 0..5 {
        assert!(cluster.advance());
    }
    cluster
}

fn failed(generation: u64, blame: Blame, message: &str) -> Event {
    Event::Failed { generation, failure: Failure { message: message.to_owned(), blame } }
}

trait GoesOn {
    fn assert_goes_on(&mut self);
}

impl GoesOn for Cluster {
    /// An epoch more comes to its end.
    fn assert_goes_on(&mut self) {
        let epochs = self.epochs.len();
        for _ in 0..100 {
            self.advance();
        }
        assert!(self.epochs.len() > epochs, "{:#?}", self.steering);
    }
}

/// However many come that nobody reaches, and however often.
#[test]
fn many_that_nobody_reaches_cost_a_tenth_of_the_time() {
    let mut cluster = at_work(2);
    let bad: Vec<WorkerId> = (0..12).map(|_| cluster.attach_ill(Illness::Unreachable)).collect();
    let with_bad = |cluster: &Cluster| cluster.steering.members().iter().any(|member| bad.contains(member));
    let (mut held_up, mut longest, mut stretch) = (0, 0, 0);
    for _ in 0..1000 {
        cluster.prepare_all();
        cluster.advance();
        cluster.pass(SECOND);
        assert!(cluster.ending.is_none());
        stretch = if with_bad(&cluster) { stretch + 1 } else { 0 };
        held_up += u32::from(stretch > 0);
        longest = longest.max(stretch);
    }
    assert!(longest <= 12, "{longest} s at a stretch");
    assert!((20..=120).contains(&held_up), "{held_up} of 1000 s");
}

/// One to whom the state does not come is set aside, and asks for it no more than now and then.
#[test]
fn who_does_not_get_the_state_is_set_aside() {
    let mut cluster = at_work(2);
    let newcomer = cluster.attach_unprepared();
    cluster.prepare(newcomer);
    while !cluster.steering.members().contains(&newcomer) {
        assert!(cluster.advance());
    }
    let generation = cluster.steering.generation();
    cluster.handle(newcomer, failed(generation, Blame::Withheld, "the line broke"));
    assert_eq!(cluster.steering.members(), [1, 2]);
    let conduct = cluster.steering.conduct("w3").unwrap();
    assert!(conduct.suspected && conduct.reason == "the line broke");
    // Alone as well: it is no loop.
    let mut alone = Cluster::new(long(1));
    alone.attach();
    for failures in 1..=4 {
        let generation = alone.steering.generation();
        alone.handle(1, failed(generation, Blame::Withheld, "the line broke"));
        assert!(alone.steering.members().is_empty() && alone.ending.is_none());
        assert_eq!(alone.steering.conduct("w1").unwrap().strikes, failures);
        while alone.steering.members().is_empty() {
            alone.prepare_all();
            alone.pass(SECOND);
        }
    }
    assert!(alone.now >= 30 * SECOND, "{:?}", alone.now);
}

/// Newcomers say nothing of a run that others have brought this far.
#[test]
fn newcomers_to_whom_a_loss_is_no_number_end_no_run() {
    let mut cluster = at_work(2);
    for _ in 0..2 {
        let newcomer = cluster.attach_unprepared();
        cluster.prepare(newcomer);
        while !cluster.steering.members().contains(&newcomer) {
            cluster.advance();
            cluster.pass(SECOND);
        }
        let generation = cluster.steering.generation();
        cluster.handle(newcomer, failed(generation, Blame::Diverged, "the loss became NaN"));
        assert!(cluster.ending.is_none());
        assert_eq!(cluster.steering.members(), [1, 2]);
    }
    cluster.assert_goes_on();
}

/// One that says that it is ready, where those who have worked together are not.
#[test]
fn who_says_that_it_is_ready_is_believed_less_than_those_who_have_worked() {
    let mut cluster = at_work(2);
    let liar = cluster.attach_ill(Illness::Unreachable);
    while !cluster.steering.members().contains(&liar) {
        assert!(cluster.advance());
    }
    let since = cluster.now;
    let generation = cluster.steering.generation();
    let held = Held { position: Position { epoch: 0, step: 3 }, totals: Totals::default(), lineage: generation };
    cluster.handle(liar, Event::Ready { generation, held: Some((held, 42)) });
    while cluster.steering.members().contains(&liar) {
        cluster.pass(SECOND);
    }
    assert_eq!(cluster.steering.members(), [1, 2]);
    let passed = cluster.now.saturating_sub(since);
    assert!(passed < 13 * SECOND, "{passed:?}");
    cluster.assert_goes_on();
}

/// One that has worked fails and is gone in the same moment: who comes instead has not failed.
#[test]
fn who_fails_and_goes_in_one_moment_keeps_nobody_out() {
    let mut cluster = at_work(2);
    for _ in 0..100 {
        cluster.advance();
        cluster.pass(SECOND);
    }
    let generation = cluster.steering.generation();
    let cause = "its stream broke".to_owned();
    cluster.workers.remove(&2);
    cluster.handle_all(vec![(2, failed(generation, Blame::Own, "CUDA error")), (2, Event::Detached { cause })]);
    cluster.attach();
    for _ in 0..5 {
        cluster.advance();
        cluster.pass(SECOND);
    }
    assert_eq!(cluster.steering.members(), [1, 3]);
}

/// Of three that have never worked two do not come: that says nothing against the third.
#[test]
fn one_that_has_not_worked_alone_is_not_doubted_for_others() {
    let mut cluster = Cluster::new(Options { workers: 3, ..long(4) });
    (0..3).for_each(|_| cluster.attach());
    assert!(cluster.advance());
    let generation = cluster.steering.generation();
    cluster.handle(1, Event::Ready { generation, held: None });
    while cluster.steering.generation() == generation {
        cluster.now += SECOND;
        for worker in 1..=3 {
            let (position, stretch) = (Position::default(), Duration::ZERO);
            let alive = Event::Progress { generation, position, pulse: 1, waiting: true, compute: 0.1, stretch };
            cluster.handle(worker, alive);
        }
        cluster.tick();
    }
    assert!(cluster.steering.conduct("w1").is_none());
    assert!(cluster.steering.conduct("w2").is_some() && cluster.steering.conduct("w3").is_some());
}

/// One alone that lives, says that it waits or that it does something, and does nothing.
#[test]
fn one_alone_does_not_wait_for_ever() {
    for (waiting, limit) in [(true, 610), (false, 4010)] {
        let mut cluster = Cluster::new(long(1));
        cluster.attach();
        for _ in 0..4 {
            assert!(cluster.advance());
        }
        let mut dropped = false;
        let mut seconds = 0;
        while !dropped {
            cluster.now += SECOND;
            seconds += 1;
            // What waits stands still; what does something moves.
            let pulse = if waiting { 1 } else { seconds };
            let (generation, position) = (cluster.steering.generation(), Position { epoch: 0, step: 1 });
            let stretch = Duration::ZERO;
            cluster.handle(1, Event::Progress { generation, position, pulse, waiting, compute: 0.1, stretch });
            let decisions = cluster.steering.tick(cluster.now);
            dropped = decisions.iter().any(|decision| matches!(decision, Decision::Drop { worker: 1, .. }));
            assert!(seconds <= limit, "{waiting}");
        }
        assert!(seconds >= limit - 12, "{seconds}");
    }
}

/// The first to come trains alone, and nobody reaches it. Those who could work together do in the end.
#[test]
fn one_that_nobody_reaches_does_not_keep_the_others_out() {
    let mut cluster = Cluster::new(long(1));
    let far = cluster.attach_ill(Illness::Unreachable);
    for _ in 0..4 {
        assert!(cluster.advance());
    }
    cluster.attach();
    cluster.attach();
    for _ in 0..600 {
        if cluster.members == [2, 3] && cluster.is_training() {
            break;
        }
        cluster.prepare_all();
        cluster.advance();
        cluster.pass(SECOND);
        assert!(cluster.ending.is_none());
    }
    assert_eq!(cluster.members, [2, 3], "{:#?}", cluster.notes);
    let reason = &cluster.steering.conduct(&format!("w{far}")).unwrap().reason;
    assert!(reason.starts_with("neither of w2 and w3 can work with it"), "{reason}");
}

/// A newcomer says that it is slow. It has nothing to do yet, so nobody waits longer for it than for anyone else.
#[test]
fn who_claims_to_be_slow_is_not_waited_for_before_it_works() {
    let mut cluster = at_work(2);
    let newcomer = cluster.attach_ill(Illness::Unreachable);
    cluster.handle(newcomer, Event::Prepared { stretch: Duration::from_mins(1), shard: Duration::ZERO });
    while !cluster.members.contains(&newcomer) {
        assert!(cluster.advance());
    }
    let since = cluster.now;
    while cluster.steering.members().contains(&newcomer) {
        cluster.advance();
        cluster.pass(Duration::from_secs(1));
    }
    let passed = cluster.now.saturating_sub(since);
    assert!(passed < Duration::from_secs(13), "{passed:?}");
    cluster.assert_goes_on();
}
