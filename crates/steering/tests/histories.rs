//! The state machine under invented histories: workers that come, go, die, fall silent and obey, and coordinators that are
//! killed, in any order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod simulation;

use proptest::prelude::*;
use simulation::{Cluster, options};
use steering::{Event, WorkerId};

#[derive(Debug, Clone)]
enum Action {
    Advance,
    Attach,
    /// One comes that has to get the data set first.
    AttachUnprepared,
    Prepare(usize),
    Kill(usize),
    /// With the ranks that have committed the step, as bits.
    DieInStep(usize, u64),
    Leave(usize),
    FallSilent(usize),
    /// A collective fails, and nobody knows why.
    Fail,
    Stop,
    /// The coordinator is killed; the workers do some steps without it, and some generations were not recorded.
    Restart(u32, u64),
    /// Everything dies.
    PowerLoss,
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        30 => Just(Action::Advance),
        5 => Just(Action::Attach),
        2 => Just(Action::AttachUnprepared),
        2 => any::<usize>().prop_map(Action::Prepare),
        3 => any::<usize>().prop_map(Action::Kill),
        3 => (any::<usize>(), any::<u64>()).prop_map(|(index, committed)| Action::DieInStep(index, committed)),
        2 => any::<usize>().prop_map(Action::Leave),
        2 => any::<usize>().prop_map(Action::FallSilent),
        1 => Just(Action::Fail),
        1 => Just(Action::Stop),
        2 => (0u32..4, 0u64..3).prop_map(|(steps, unrecorded)| Action::Restart(steps, unrecorded)),
        1 => Just(Action::PowerLoss),
    ];
    proptest::collection::vec(action, 0..150)
}

fn act(cluster: &mut Cluster, action: &Action) {
    let pick = |index: usize| -> Option<WorkerId> {
        cluster.workers.keys().copied().nth(index % cluster.workers.len().max(1))
    };
    match *action {
        Action::Advance => {
            cluster.advance();
        }
        Action::Attach if cluster.workers.len() < 8 => cluster.attach(),
        Action::AttachUnprepared if cluster.workers.len() < 8 => {
            cluster.attach_unprepared();
        }
        Action::Attach | Action::AttachUnprepared => {}
        Action::Prepare(index) => {
            if let Some(worker) = pick(index) {
                cluster.prepare(worker);
            }
        }
        Action::Kill(index) => {
            if let Some(worker) = pick(index) {
                cluster.detach(worker);
            }
        }
        Action::DieInStep(index, committed) => {
            if let Some(worker) = pick(index) {
                cluster.die_in_step(worker, committed);
            }
        }
        Action::Leave(index) => {
            if let Some(worker) = pick(index) {
                cluster.handle(worker, Event::Leaving { reason: "asked".to_owned() });
            }
        }
        Action::FallSilent(index) => {
            if let Some(worker) = pick(index) {
                cluster.silence(worker);
            }
        }
        Action::Fail => {
            let (members, generation) = (cluster.members.clone(), cluster.generation);
            cluster.fail(&members, generation);
        }
        Action::Stop => cluster.stop(),
        Action::Restart(steps, unrecorded) => cluster.restart(steps, unrecorded),
        Action::PowerLoss => {
            cluster.workers.clear();
            cluster.restart(0, 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Whatever happens, the run ends when workers come back, and its state has been through every step of every shard
    /// once and in order. The simulation asserts the rest: generations only grow, one is active at most, epochs are
    /// recorded once.
    #[test]
    fn a_run_ends_with_every_step_counted_once(actions in actions()) {
        let mut cluster = Cluster::new(options(4));
        let mut failures = 0;
        for action in &actions {
            cluster.go_on_after_a_stop();
            if cluster.ending.is_some() {
                break;
            }
            // Five generations in a row that fail for no reason end the run, and should: one that fails before its reason
            // is known may come on top of these.
            failures += u32::from(matches!(action, Action::Fail));
            if matches!(action, Action::Fail) && failures > 3 {
                continue;
            }
            act(&mut cluster, action);
        }
        cluster.finish(1000);
        cluster.assert_finished();
    }
}

#[test]
fn what_a_loss_of_power_costs_is_bounded() {
    let mut cluster = Cluster::new(options(4));
    cluster.attach();
    cluster.attach();
    let mut compared = 0;
    while cluster.ending.is_none() {
        assert!(cluster.advance());
        let done = |state: &simulation::State| state.steps.len();
        let held = cluster.workers.values().find_map(|worker| worker.held.as_deref().map(done)).unwrap_or(0);
        let saved = cluster.disk.as_deref().map_or(0, done);
        // One more is on its way to the disk.
        assert!(held - saved <= 3, "{held} steps are done and {saved} are saved");
        compared += usize::from(saved > 0);
    }
    assert!(compared > 10);
}
