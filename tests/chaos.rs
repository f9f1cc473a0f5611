//! Promise P2 under many faults: workers and the coordinator are killed, stopped, told to leave and joined at random
//! moments of one run. COXSWAIN_CHAOS_SEED repeats a sequence, COXSWAIN_CHAOS_FAULTS makes it longer: `cargo xtask chaos`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use plan::random::{below, philox};
use proto::v1::Run;
use std::{
    collections::BTreeMap,
    env, thread,
    time::{Duration, SystemTime},
};
use system_tests::{Coordinator, Worker, assert_same, pace};

const STEPS: u32 = 11;
const RUN: [&str; 8] = ["--limit-train", "650", "--batch-size", "64", "--limit-test", "300", "--shards", "4"];
const CLUSTER: [&str; 5] = ["--local", "--workers", "2", "--failure-timeout", "1s"];
/// In milliseconds, of a step.
const PACE: u32 = 20;
/// Steps that a fault takes at the most, with the pause before it: what the run has to be long enough for.
const STEPS_A_FAULT: u32 = 9;

/// Random numbers of one sequence.
struct Dice {
    seed: u64,
    thrown: u32,
}

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.thrown += 1;
        let bits = philox([self.seed as u32, (self.seed >> 32) as u32], [self.thrown, 0, 0, 0]);
        below(bits[0], bound)
    }

    fn millis(&mut self, bound: u32) -> Duration {
        Duration::from_millis(u64::from(self.below(bound)))
    }
}

/// Waits for a random while: some steps, so that what came before has been survived, or a moment, so that it may not have.
fn pause(dice: &mut Dice, run: &mut Coordinator) {
    if dice.below(4) == 0 {
        return thread::sleep(dice.millis(300));
    }
    let done = |run: &Run| run.epoch * STEPS + run.step;
    let wanted = run.wait_until(|_| true);
    let wanted = done(&wanted) + 1 + dice.below(12);
    run.wait_until(|run| done(run) >= wanted);
    thread::sleep(dice.millis(100));
}

/// Sends a local worker a signal, if it lives.
fn signal(run: &Coordinator, name: &str, signal: Signal) {
    if let Some(worker) = run.local_worker(name) {
        // It may end between the look and the signal.
        let _ = kill(Pid::from_raw(worker as i32), signal);
    }
}

#[test]
fn thirty_faults_leave_no_trace_in_the_weights() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse().unwrap());
    let faults = number("COXSWAIN_CHAOS_FAULTS").unwrap_or(30) as u32;
    let seed = number("COXSWAIN_CHAOS_SEED")
        .unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() % 1_000_000);
    println!("{faults} faults of seed {seed}: COXSWAIN_CHAOS_SEED={seed} repeats them");
    let mut dice = Dice { seed, thrown: 0 };
    let directory = tempfile::tempdir().unwrap();
    let epochs = (faults * STEPS_A_FAULT).div_ceil(STEPS).to_string();
    let length = ["--epochs", &epochs];
    let expected = Coordinator::run(&directory.path().join("undisturbed"), 2, &[&RUN[..], &length].concat()).well();

    let flags = [&CLUSTER[..], &RUN, &length].concat();
    let mut run = Coordinator::start_failing(&directory.path().join("chaos"), &flags, &[pace(PACE)]);
    let mut joined: BTreeMap<String, Worker> = BTreeMap::new();
    for fault in 1..=faults {
        pause(&mut dice, &mut run);
        let local = format!("local-{}", dice.below(2));
        let some_joined = joined.keys().next().cloned();
        let what = match (dice.below(7), some_joined) {
            (0 | 1, _) => {
                signal(&run, &local, Signal::SIGKILL);
                format!("{local} is killed")
            }
            (2, _) => {
                // From one that nobody notices to one that takes it out of the generation.
                let length = dice.millis(2500);
                signal(&run, &local, Signal::SIGSTOP);
                thread::sleep(length);
                signal(&run, &local, Signal::SIGCONT);
                format!("{local} stands still for {length:?}")
            }
            (3, _) => {
                let length = dice.millis(1500);
                run = run.killed_and_restarted(&flags, || thread::sleep(length));
                format!("the coordinator is killed, and started again after {length:?}")
            }
            (4, Some(name)) => {
                joined.remove(&name).unwrap().signal(Signal::SIGTERM);
                format!("{name} is told to leave")
            }
            (5, Some(name)) => {
                // Dropped, and so killed.
                joined.remove(&name);
                format!("{name} is killed")
            }
            _ => {
                let name = format!("late-{fault}");
                let data = system_tests::data_dir();
                let data = ["--data-dir", data.to_str().unwrap()];
                joined.insert(name.clone(), Worker::start_failing(&run, &name, &data, &pace(PACE)));
                format!("{name} joins")
            }
        };
        let state = run.wait_until(|_| true);
        println!("fault {fault}: {what}; epoch {} step {}, generation {}", state.epoch, state.step, state.generation);
    }
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    // And so the journal has it: the same command finds nothing left to do, and sums up what it reads there.
    let again = Coordinator::start(&directory.path().join("chaos"), &flags).wait().well();
    assert_same(&again, &expected);
}
