//! A run whose test loss is no number ends there.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use plan::{ChunkResult, Confusion, Position, RunConfig, Totals};
use std::time::Duration;
use steering::{Decision, Event, Options, Outcome, RunState, Start, Steering, Stretch};

/// All that is decided when the only worker has evaluated an epoch to `loss`.
fn evaluated(loss: f64) -> (Vec<Decision>, RunState, String) {
    let config = RunConfig { epochs: 2, train_samples: 256, test_samples: 100, ..RunConfig::default() };
    let start = Start::fresh(&config);
    let failure_timeout = Duration::from_secs(10);
    let options = Options { config, workers: 1, min_workers: 1, failure_timeout, checkpoint_every: None };
    let mut steering = Steering::new(options, start);
    let mut confusion = Confusion::default();
    (0..100).for_each(|_| confusion.count(0, 0));
    let (generation, at) = (1, Position { epoch: 0, step: 2 });
    let totals = Totals { loss: 1.0, correct: 1, samples: 256 };
    let mut decisions = Vec::new();
    for event in [
        Event::Attached { name: "w".to_owned(), host: "127.0.0.1".to_owned(), held: None, generation: 0 },
        Event::Prepared { stretch: Duration::ZERO },
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
