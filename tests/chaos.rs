//! Promises P2 and P8 under many faults: workers and the coordinator are killed, stopped, told to leave and joined at random
//! moments of one run, among them workers that are sick, wrong or unreachable; a disk stalls, and links break. COXSWAIN_CHAOS_SEED repeats a sequence, COXSWAIN_CHAOS_FAULTS makes it longer: `cargo xtask chaos`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use plan::random::{below, philox};
use proto::v1::{Run, RunState};
use std::{
    collections::BTreeMap,
    env, thread,
    time::{Duration, SystemTime},
};
use system_tests::{Coordinator, Line, Stall, Worker, assert_same, pace};

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

/// A worker that has joined, and the line by which it reaches the coordinator, if that is one of its own.
struct Joined {
    worker: Worker,
    line: Option<Line>,
}

impl Joined {
    fn new(worker: Worker) -> Self {
        Self { worker, line: None }
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
    let stall = Stall::new(directory.path());
    let (pace_of_all, [preload, switch]) = (pace(PACE), stall.variables());
    let variables = [preload, switch, ("COXSWAIN_FAULT", pace_of_all.as_str())];
    let mut run = Coordinator::start_within(&variables, &directory.path().join("chaos"), &flags);
    let data = system_tests::data_dir();
    let data = ["--data-dir", data.to_str().unwrap()];
    let mut joined: BTreeMap<String, Joined> = BTreeMap::new();
    for fault in 1..=faults {
        pause(&mut dice, &mut run);
        let local = format!("local-{}", dice.below(2));
        let some_joined = joined.keys().next().cloned();
        let late = format!("late-{fault}");
        let what = match (dice.below(14), some_joined) {
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
            (4, _) => {
                let length = dice.millis(2500);
                run.signal(Signal::SIGSTOP);
                thread::sleep(length);
                run.signal(Signal::SIGCONT);
                format!("the coordinator stands still for {length:?}")
            }
            (5, _) => {
                let length = dice.millis(3000);
                stall.begin();
                thread::sleep(length);
                stall.end();
                format!("the disk stands still for {length:?}")
            }
            (6, _) => {
                let flags = [&data[..], &["--host", "10.255.255.1"]].concat();
                joined.insert(late.clone(), Joined::new(Worker::start(&run, &late, &flags)));
                format!("{late} joins with an address that is not its own")
            }
            (7, _) => {
                let sick = format!("{late}@*:0:0:fail");
                joined.insert(late.clone(), Joined::new(Worker::start_failing(&run, &late, &data, &sick)));
                format!("{late} joins, and every step fails on it")
            }
            (8, _) => {
                let at = run.wait_until(|_| true).epoch + 2;
                let flip = format!("{},{late}@*:{at}:5:flip", pace(PACE));
                let worker = Worker::start_failing(&run, &late, &data, &flip);
                // It is found at the end of that epoch, and is to live until then.
                run.wait_until(|run| run.epoch > at || run.state() == RunState::Finished);
                joined.insert(late.clone(), Joined::new(worker));
                format!("{late} joins, and a bit of it flips in epoch {}", at + 1)
            }
            (9, _) => {
                let line = Line::to(run.address(), u64::MAX);
                let worker = Worker::start_for(&line.url(), &late, &data);
                joined.insert(late.clone(), Joined { worker, line: Some(line) });
                format!("{late} joins by a line of its own")
            }
            (10, Some(name)) => {
                if let Some(Joined { line: Some(line), .. }) = joined.get(&name) {
                    line.cut();
                }
                format!("the line of {name} breaks, if it has one")
            }
            (11, Some(name)) => {
                let Joined { worker, .. } = joined.remove(&name).unwrap();
                worker.signal(Signal::SIGTERM);
                // It leaves after the step in progress, or after an evaluation.
                let (code, log) = worker.wait();
                // One that was found wrong, or whose name was taken over, has gone before.
                assert!([0, 9].contains(&code), "{name}: {code}\n{log}");
                format!("{name} is told to leave, and leaves")
            }
            (12, Some(name)) => {
                // Dropped, and so killed.
                joined.remove(&name);
                format!("{name} is killed")
            }
            _ => {
                joined.insert(late.clone(), Joined::new(Worker::start_failing(&run, &late, &data, &pace(PACE))));
                format!("{late} joins")
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
