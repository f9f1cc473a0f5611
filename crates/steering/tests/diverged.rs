//! A run whose test loss is no number ends there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use plan::{Blame, ChunkResult, Confusion, Position, Totals};
use schedule::{LearningRate, Schedule, Warmup};
use std::time::Duration;
use steering::{Course, Decision, Event, Failure, Options, Outcome, RunState, Start, Steering, Stretch};

/// Two epochs of one shard a step.
fn course(batch_size: u32, train_samples: u32) -> Course {
    let rate = LearningRate { lr: 0.1, schedule: Schedule::default(), warmup: Warmup::default() };
    Course { epochs: 2, batch_size, shards: 1, train_samples, test_samples: 100, classes: 10, rate }
}

/// All that is decided when the only worker has evaluated an epoch to `loss`.
fn evaluated(loss: f64) -> (Vec<Decision>, RunState, String) {
    let course = course(128, 256);
    let start = Start::fresh(course.rate.lr);
    let failure_timeout = Duration::from_secs(10);
    let options = Options { course, workers: 1, min_workers: 1, failure_timeout, checkpoint_every: None };
    let mut steering = Steering::new(options, start);
    let mut confusion = Confusion::new(10);
    (0..100).for_each(|_| confusion.count(0, 0));
    let (generation, at) = (1, Position { epoch: 0, step: 2 });
    let totals = Totals { loss: 1.0, correct: 1, samples: 256 };
    let mut decisions = Vec::new();
    for event in [
        Event::Attached { name: "w".to_owned(), host: "127.0.0.1".to_owned(), held: None, generation: 0 },
        Event::Prepared { stretch: Duration::ZERO, shard: Duration::ZERO },
        Event::StoreOpened { generation, port: 1 },
        Event::Ready { generation, held: None },
        Event::Digest { generation, position: at, digest: 1 },
        Event::EpochDone { generation, epoch: 0, totals, stretch: Stretch::default() },
        Event::StateArrived { upload: 1, position: at, digest: 1 },
        Event::Evaluated { generation, epoch: 0, results: vec![ChunkResult { chunk: 0, loss, confusion }] },
    ] {
        decisions.append(&mut steering.handle(Duration::from_secs(1), 1, event));
    }
    let status = steering.status();
    (decisions, status.state, status.reason)
}

#[test]
fn it_is_recorded_and_not_saved() {
    for loss in [f64::NAN, f64::INFINITY] {
        let (decisions, state, reason) = evaluated(loss);
        assert_eq!(state, RunState::Failed);
        assert!(
            reason.contains(&format!("diverged: the test loss of epoch 1 is {loss};")) && reason.contains("--lr"),
            "{reason}"
        );
        let recorded = decisions.iter().find_map(|decision| match decision {
            Decision::Epoch(record) => Some(record.test_loss),
            _ => None,
        });
        assert!(!recorded.unwrap().is_finite());
        assert!(!decisions.iter().any(|decision| matches!(decision, Decision::Checkpoint { .. })), "{decisions:?}");
        let ended =
            decisions.iter().any(|decision| matches!(decision, Decision::End(end) if end.outcome == Outcome::Failed));
        assert!(ended, "{decisions:?}");
    }
}

#[test]
fn a_loss_that_is_a_number_is_saved_whatever_it_is() {
    let (decisions, state, _) = evaluated(1e300);
    assert_eq!(state, RunState::Training);
    assert!(decisions.iter().any(|decision| matches!(decision, Decision::Checkpoint { .. })), "{decisions:?}");
}

/// A run of one shard and as many workers as names, all prepared, of which the first is the only member.
fn of_one(names: &[&str]) -> Steering {
    let course = course(2, 8);
    let start = Start::fresh(course.rate.lr);
    let options = Options {
        course,
        workers: 1,
        min_workers: 1,
        failure_timeout: Duration::from_secs(10),
        checkpoint_every: None,
    };
    let mut steering = Steering::new(options, start);
    for (id, name) in (1..).zip(names) {
        for event in [
            Event::Attached { name: (*name).to_owned(), host: "127.0.0.1".to_owned(), held: None, generation: 0 },
            Event::Prepared { stretch: Duration::ZERO, shard: Duration::ZERO },
        ] {
            steering.handle(Duration::from_secs(1), id, event);
        }
    }
    steering
}

fn no_number(steering: &mut Steering, at: u64, worker: u64) -> RunState {
    let generation = steering.generation();
    let failure = Failure { message: "the loss became NaN".to_owned(), blame: Blame::Diverged };
    steering.handle(Duration::from_secs(at), worker, Event::Failed { generation, failure });
    steering.status().state
}

/// `worker` has rehearsed again after its pause. Both are heard of meanwhile.
fn comes_back(steering: &mut Steering, worker: u64, seconds: std::ops::Range<u64>) {
    for second in seconds {
        for id in 1..=2 {
            let (generation, position) = (steering.generation(), Position::default());
            let (pulse, waiting, stretch) = (second, false, Duration::ZERO);
            let event = Event::Progress { generation, position, pulse, waiting, compute: 0.0, stretch };
            steering.handle(Duration::from_secs(second), id, event);
        }
        steering.tick(Duration::from_secs(second));
    }
    let event = Event::Prepared { stretch: Duration::ZERO, shard: Duration::ZERO };
    steering.handle(Duration::from_secs(8), worker, event);
}

/// One that has done nothing yet may be sick. Others may come, or come back after their pause.
#[test]
fn one_that_has_done_no_step_is_believed_the_second_time() {
    let mut steering = of_one(&["new"]);
    assert_eq!(no_number(&mut steering, 2, 1), RunState::Waiting);
    comes_back(&mut steering, 1, 3..8);
    assert_eq!((steering.status().state, steering.generation()), (RunState::Forming, 2));
    assert_eq!(no_number(&mut steering, 9, 1), RunState::Failed);
}

#[test]
fn one_that_is_set_aside_for_a_while_is_waited_for() {
    let mut steering = of_one(&["new", "well"]);
    let failure = Failure { message: "a cable".to_owned(), blame: Blame::Own };
    steering.handle(Duration::from_secs(2), 2, Event::Failed { generation: 0, failure });
    assert_eq!(no_number(&mut steering, 3, 1), RunState::Waiting);
    comes_back(&mut steering, 2, 4..9);
    assert_eq!((steering.status().state, steering.members()), (RunState::Forming, &[2][..]));
}
