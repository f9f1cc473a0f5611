//! The state machine under invented histories. Workers come, go, die, fall silent and obey, and coordinators are
//! killed, in any order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod simulation;

use proptest::prelude::*;
use simulation::{Cluster, Illness, options};
use std::{env, time::Duration};
use steering::{Event, WorkerId};

#[derive(Debug, Clone)]
enum Action {
    Advance,
    Attach,
    /// A worker comes that has to get the data set first.
    AttachUnprepared,
    /// Something happens to one worker, chosen by its place.
    To(usize, Fate),
    /// A worker comes with which something is wrong for ever.
    AttachIll(Illness),
    /// Several workers die in the same moment, chosen by the bits of their places.
    KillMany(u64),
    /// Uploads break for so many seconds.
    BreakUploads(u64),
    /// The coordinator is stopped for so many milliseconds, and goes on.
    StandStill(u64),
    /// The disk stalls for so many seconds.
    HoldUp(u64),
    /// Checkpoints wait for the disk for so many advances.
    StallWrites(u32),
    /// The next checkpoint finds the disk full.
    FullDisk,
    /// Some seconds pass.
    Pass(u64),
    /// A collective fails, and nobody knows why.
    Fail,
    Stop,
    Pause,
    Resume,
    SaveNow,
    /// The coordinator is killed. The workers do some steps without it, and some generations were not recorded.
    Restart(u32, u64),
    /// Everything dies.
    PowerLoss,
}

/// What happens to one worker.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Prepare,
    Kill,
    /// A member dies in a step. The bits say which ranks have committed it.
    DieInStep(u64),
    Leave,
    FallSilent,
    /// It is told to leave. Some advances later all others die.
    LeaveAndDie(u32),
    /// It says that it has failed in the generation before.
    FailLate,
    /// Its line stands still for so many advances.
    StallLine(u32),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        30 => Just(Action::Advance),
        5 => Just(Action::Attach),
        2 => Just(Action::AttachUnprepared),
        2 => any::<usize>().prop_map(|place| Action::To(place, Fate::Prepare)),
        3 => any::<usize>().prop_map(|place| Action::To(place, Fate::Kill)),
        3 => (any::<usize>(), any::<u64>()).prop_map(|(place, committed)| Action::To(place, Fate::DieInStep(committed))),
        2 => any::<usize>().prop_map(|place| Action::To(place, Fate::Leave)),
        2 => any::<usize>().prop_map(|place| Action::To(place, Fate::FallSilent)),
        2 => illness().prop_map(Action::AttachIll),
        1 => any::<u64>().prop_map(Action::KillMany),
        1 => (1u64..40).prop_map(Action::BreakUploads),
        1 => (any::<usize>(), 0u32..8).prop_map(|(place, advances)| Action::To(place, Fate::LeaveAndDie(advances))),
        1 => any::<usize>().prop_map(|place| Action::To(place, Fate::FailLate)),
        1 => (100u64..60_000).prop_map(Action::StandStill),
        1 => (1u64..40).prop_map(Action::HoldUp),
        2 => (1u32..20).prop_map(Action::StallWrites),
        2 => (any::<usize>(), 1u32..12).prop_map(|(place, advances)| Action::To(place, Fate::StallLine(advances))),
        1 => Just(Action::FullDisk),
        2 => (1u64..20).prop_map(Action::Pass),
        1 => Just(Action::Fail),
        1 => Just(Action::Stop),
        2 => Just(Action::Pause),
        4 => Just(Action::Resume),
        2 => Just(Action::SaveNow),
        2 => (0u32..4, 0u64..3).prop_map(|(steps, unrecorded)| Action::Restart(steps, unrecorded)),
        1 => Just(Action::PowerLoss),
    ];
    proptest::collection::vec(action, 0..150)
}

fn illness() -> impl Strategy<Value = Illness> {
    use Illness::{
        Boasts, Breaks, CannotConnect, Claims, Dies, Fails, Ignores, Keeps, Lies, Lingers, Poses, Starves, Unreachable,
        Withholds,
    };
    let all = vec![
        Fails,
        CannotConnect,
        Unreachable,
        Claims,
        Poses,
        Boasts,
        Starves,
        Breaks,
        Dies,
        Lies,
        Ignores,
        Lingers,
        Withholds,
        Keeps,
    ];
    prop::sample::select(all)
}

fn act(cluster: &mut Cluster, action: &Action) {
    match *action {
        Action::Advance => {
            cluster.advance();
        }
        Action::Attach if cluster.workers.len() < 8 => cluster.attach(),
        Action::AttachUnprepared if cluster.workers.len() < 8 => {
            cluster.attach_unprepared();
        }
        Action::AttachIll(illness) if cluster.workers.len() < 8 => {
            cluster.attach_ill(illness);
        }
        Action::Attach | Action::AttachUnprepared | Action::AttachIll(_) => {}
        Action::To(place, fate) => {
            let all = cluster.workers.len().max(1);
            if let Some(worker) = cluster.workers.keys().copied().nth(place % all) {
                happen_to(cluster, worker, fate);
            }
        }
        Action::KillMany(bits) => {
            let all = cluster.workers.keys().copied();
            let picked: Vec<WorkerId> =
                (0u32..).zip(all).filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, id)| id).collect();
            cluster.detach_all(&picked);
        }
        Action::BreakUploads(seconds) => cluster.break_uploads(Duration::from_secs(seconds)),
        Action::StandStill(millis) => cluster.stand_still(Duration::from_millis(millis)),
        Action::StallWrites(advances) => cluster.stalled = advances,
        Action::FullDisk => cluster.full = true,
        Action::HoldUp(seconds) => cluster.hold_up(Duration::from_secs(seconds)),
        Action::Pass(seconds) => cluster.pass(Duration::from_secs(seconds)),
        Action::Fail => {
            let (members, generation) = (cluster.members.clone(), cluster.generation);
            cluster.fail(&members, generation);
        }
        Action::Stop => cluster.stop(),
        Action::Pause => cluster.pause(),
        Action::Resume => cluster.resume(),
        Action::SaveNow => cluster.save_now(),
        Action::Restart(steps, unrecorded) => cluster.restart(steps, unrecorded),
        Action::PowerLoss => {
            cluster.workers.clear();
            cluster.restart(0, 0);
        }
    }
}

fn happen_to(cluster: &mut Cluster, worker: WorkerId, fate: Fate) {
    match fate {
        Fate::Prepare => cluster.prepare(worker),
        Fate::Kill => cluster.detach(worker),
        Fate::DieInStep(committed) => cluster.die_in_step(worker, committed),
        Fate::Leave => cluster.handle(worker, Event::Leaving { reason: "asked".to_owned() }),
        Fate::FallSilent => cluster.silence(worker),
        Fate::LeaveAndDie(advances) => cluster.leave_and_die(worker, advances),
        Fate::FailLate => cluster.fail_late(worker),
        Fate::StallLine(advances) => cluster.stall_line(worker, advances),
    }
}

/// How many histories: a night's worth if somebody says so.
fn cases() -> u32 {
    env::var("COXSWAIN_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000)
}

/// Whether three or more well members train, and the coordinator knows of it.
fn trains_well(cluster: &Cluster) -> bool {
    let well = |member: &WorkerId| cluster.workers.get(member).is_some_and(|worker| worker.illness.is_none());
    let known = cluster.is_training() && cluster.steering.members() == cluster.members;
    known && cluster.members.len() > 2 && cluster.members.iter().all(well)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Whatever happens, the run ends when workers come back. Its state has been through every step of every shard once
    /// and in order. The simulation asserts the rest:
    ///
    /// - generations only grow, and one is active at most;
    /// - epochs are recorded once;
    /// - at every end the newest state is saved;
    /// - nobody gets more orders than fit in its queue.
    #[test]
    fn a_run_ends_with_every_step_counted_once(actions in actions()) {
        let mut cluster = Cluster::new(options(4));
        for action in &actions {
            cluster.go_on_after_a_stop();
            if cluster.ending.is_some() {
                break;
            }
            act(&mut cluster, action);
        }
        cluster.finish(3000);
        cluster.assert_finished();
    }

    /// A bit flips in one of three or more members, and all of them reach the next digest. Nothing is left of it.
    #[test]
    fn a_flipped_bit_leaves_no_mark(before in actions(), victim in any::<usize>(), after in actions()) {
        let mut cluster = Cluster::new(options(4));
        for action in before.iter().take(30) {
            cluster.go_on_after_a_stop();
            if cluster.ending.is_some() {
                break;
            }
            act(&mut cluster, action);
        }
        // Goes on until three or more well members train.
        for _ in 0..300 {
            cluster.go_on_after_a_stop();
            if cluster.ending.is_some() || trains_well(&cluster) {
                break;
            }
            cluster.resume();
            cluster.let_leavers_go();
            let ill = cluster.workers.iter().filter(|(_, worker)| worker.illness.is_some());
            let ill: Vec<WorkerId> = ill.map(|(id, _)| *id).collect();
            cluster.detach_all(&ill);
            while cluster.workers.len() < 3 {
                cluster.attach();
            }
            if !cluster.advance() {
                cluster.pass(Duration::from_secs(1));
            }
        }
        if cluster.ending.is_none() && trains_well(&cluster) {
            let victim = cluster.members[victim % cluster.members.len()];
            // A worker that is gone before its next digest has come is not found out.
            cluster.let_all_lines_move();
            cluster.corrupt(victim);
            // A digest comes every second step.
            for _ in 0..8 {
                if cluster.ending.is_none() && cluster.workers.get(&victim).is_some_and(|worker| worker.corrupt) {
                    cluster.advance();
                }
            }
            for action in &after {
                cluster.go_on_after_a_stop();
                if cluster.ending.is_some() {
                    break;
                }
                act(&mut cluster, action);
            }
        }
        cluster.finish(3000);
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
