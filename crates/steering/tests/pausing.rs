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

/// A worker that was out of reach while the others were halted, and its state.
struct Returned {
    id: u64,
    held: Held,
}

impl Returned {
    /// One that has done `further` steps more than what is saved.
    fn new(id: u64, cluster: &Cluster, further: u32) -> Self {
        let saved = cluster.disk.as_ref().unwrap().at;
        let position = Position { step: saved.step + further, ..saved };
        let course = options(4).course;
        let samples = (position.step * course.batch_size).min(course.train_samples);
        let totals = Totals { samples: u64::from(samples), ..Totals::default() };
        Self { id, held: Held { position, totals, lineage: cluster.steering.generation() } }
    }

    fn attached(&self) -> Event {
        let (name, host, generation) = (format!("late-{}", self.id), "127.0.0.1".to_owned(), self.held.lineage);
        Event::Attached { name, host, held: Some(self.held), generation }
    }
}

/// What the machine decides if all answer that are asked, which goes on until nobody is asked anything any more. An order to
/// send a state is not obeyed: it is the second of what is returned.
fn answer_all(
    cluster: &mut Cluster,
    returned: &[&Returned],
    mut decisions: Vec<Decision>,
) -> (Vec<Decision>, Option<(u64, u64)>) {
    let (mut all, mut upload) = (Vec::new(), None);
    while !decisions.is_empty() {
        let mut answers = Vec::new();
        for decision in &decisions {
            let Decision::Send { worker, order } = decision else { continue };
            match order {
                Order::Upload { upload: ordered } => upload = Some((*worker, *ordered)),
                Order::Attest { request, .. } => {
                    let late = returned.iter().find(|late| late.id == *worker).map(|late| (late.held, late.id));
                    let known = || {
                        let known = cluster.workers.get(worker)?;
                        Some((known.description()?, known.digest()))
                    };
                    answers.push((*worker, Event::Attested { request: *request, held: late.or_else(known) }));
                }
                _ => {}
            }
        }
        all.extend(decisions);
        let now = cluster.now;
        decisions = cluster.steering.handle_all(answers.into_iter().map(|(worker, event)| (now, worker, event)));
    }
    (all, upload)
}

#[test]
fn a_state_that_comes_while_another_one_is_saved_is_saved_as_well() {
    for stop in [false, true] {
        let mut cluster = cluster(TWO_STEPS - 1);
        cluster.pause();
        come_to_rest(&mut cluster);
        let (first, second) = (Returned::new(77, &cluster, 1), Returned::new(78, &cluster, 2));
        let both = [&first, &second];
        let tell = |cluster: &mut Cluster, worker: u64, event: Event| {
            let decisions = cluster.steering.handle_all([(cluster.now, worker, event)]);
            answer_all(cluster, &both, decisions)
        };
        let (_, upload) = tell(&mut cluster, first.id, first.attached());
        let (sender, upload) = upload.expect("the state of the first is asked for");
        assert_eq!(sender, first.id);
        // It is on its way, and a newer one comes.
        tell(&mut cluster, second.id, second.attached());
        if stop {
            let decisions = cluster.steering.stop(cluster.now, "enough");
            answer_all(&mut cluster, &both, decisions);
        }
        let arrived =
            |late: &Returned, upload| Event::StateArrived { upload, position: late.held.position, digest: late.id };
        let saved = |decisions: &[Decision], late: &Returned| {
            decisions
                .iter()
                .any(|decision| matches!(decision, Decision::Checkpoint { held, .. } if *held == late.held.position))
        };
        let (decisions, next) = tell(&mut cluster, first.id, arrived(&first, upload));
        assert!(saved(&decisions, &first), "{decisions:?}");
        let (sender, upload) = next.unwrap_or_else(|| panic!("the newer one is asked for: {decisions:?}"));
        assert_eq!(sender, second.id);
        let (decisions, next) = tell(&mut cluster, second.id, arrived(&second, upload));
        assert!(saved(&decisions, &second) && next.is_none(), "{decisions:?}");
        let state = if stop { RunState::Stopped } else { RunState::Paused };
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
