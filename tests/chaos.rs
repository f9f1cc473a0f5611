//! Promises P2 and P8 under many faults. At random moments of one run workers and the coordinator are killed, stopped, told to
//! leave and joined. Some workers are sick, wrong or unreachable, a disk stalls, and links break. `cargo xtask chaos` runs it:
//! COXSWAIN_CHAOS_SEED repeats a sequence, COXSWAIN_CHAOS_FAULTS makes it longer.

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
use system_tests::{Coordinator, Line, Stall, Worker, assert_same, pace, scratch};

const STEPS: u32 = 11;
const RUN: [&str; 8] = ["--limit-train", "650", "--batch-size", "64", "--limit-test", "300", "--shards", "4"];
const CLUSTER: [&str; 5] = ["--local", "--workers", "2", "--failure-timeout", "1s"];
/// In milliseconds, of a step.
const PACE: u32 = 20;
/// Steps that a fault takes at the most, with the pause before it: what the run has to be long enough for.
const STEPS_A_FAULT: u32 = 16;

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

/// A run, and what happens to it.
struct Chaos {
    dice: Dice,
    flags: Vec<String>,
    data: [String; 2],
    stall: Stall,
    run: Option<Coordinator>,
    joined: BTreeMap<String, Joined>,
}

impl Chaos {
    fn run(&mut self) -> &mut Coordinator {
        self.run.as_mut().unwrap()
    }

    /// Something goes wrong with those who are there from the beginning. Returns what.
    fn strike(&mut self, what: u32) -> String {
        let local = format!("local-{}", self.dice.below(2));
        let length = self.dice.millis(2500);
        match what {
            0 | 1 => {
                signal(self.run(), &local, Signal::SIGKILL);
                format!("{local} is killed")
            }
            2 => {
                // From one that nobody notices to one that takes it out of the generation.
                signal(self.run(), &local, Signal::SIGSTOP);
                thread::sleep(length);
                signal(self.run(), &local, Signal::SIGCONT);
                format!("{local} stands still for {length:?}")
            }
            3 => {
                let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
                let run = self.run.take().unwrap();
                self.run = Some(run.killed_and_restarted(&flags, || thread::sleep(length / 2)));
                format!("the coordinator is killed, and started again after {:?}", length / 2)
            }
            4 => {
                self.run().signal(Signal::SIGSTOP);
                thread::sleep(length);
                self.run().signal(Signal::SIGCONT);
                format!("the coordinator stands still for {length:?}")
            }
            _ => {
                self.stall.begin();
                thread::sleep(length);
                self.stall.end();
                format!("the disk stands still for {length:?}")
            }
        }
    }

    /// Another worker comes. Returns how.
    fn join(&mut self, what: u32, name: &str) -> String {
        // More would be spares, to which nothing happens.
        while self.joined.len() > 1 {
            self.joined.pop_first();
        }
        let data = self.data.clone();
        let data = [data[0].as_str(), data[1].as_str()];
        let (how, worker, line) = match what {
            6 => {
                let flags = [&data[..], &["--host", "10.255.255.1"]].concat();
                ("with an address that is not its own", Worker::start(self.run(), name, &flags), None)
            }
            7 => {
                let sick = format!("{name}@*:0:0:fail");
                ("and every step fails on it", Worker::start_failing(self.run(), name, &data, &sick), None)
            }
            8 => {
                let epoch = self.run().wait_until(|_| true).epoch + 2;
                let flip = format!("{},{name}@*:{epoch}:5:flip", pace(PACE));
                let worker = Worker::start_failing(self.run(), name, &data, &flip);
                // It is found at the end of that epoch, and is to live until then.
                self.run().wait_until(|run| run.epoch > epoch || run.state() == RunState::Finished);
                ("and a bit of it flips", worker, None)
            }
            9 => {
                let line = Line::to(self.run().address(), u64::MAX);
                ("by a line of its own", Worker::start_for(&line.url(), name, &data), Some(line))
            }
            _ => ("", Worker::start_failing(self.run(), name, &data, &pace(PACE)), None),
        };
        self.joined.insert(name.to_owned(), Joined { worker, line });
        format!("{name} joins {how}")
    }

    /// Something happens to one that has come. Returns what.
    fn disturb(&mut self, what: u32, name: &str) -> String {
        match what {
            10 => {
                if let Some(Joined { line: Some(line), .. }) = self.joined.get(name) {
                    line.cut();
                }
                format!("the line of {name} breaks, if it has one")
            }
            11 => {
                let Joined { worker, line: _line } = self.joined.remove(name).unwrap();
                worker.signal(Signal::SIGTERM);
                // It leaves after the step in progress, or after an evaluation. One that was found wrong has gone before.
                let (code, log) = worker.wait();
                // One that has only just been started ends as any process does, before it can say anything.
                let newborn = code == -1 && log.is_empty();
                assert!(newborn || [0, 9].contains(&code), "{name}: {code}\n{log}");
                format!("{name} is told to leave, and leaves")
            }
            _ => {
                // Dropped, and so killed.
                self.joined.remove(name);
                format!("{name} is killed")
            }
        }
    }
}

#[test]
fn thirty_faults_leave_no_trace_in_the_weights() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse().unwrap());
    let faults = number("COXSWAIN_CHAOS_FAULTS").unwrap_or(30) as u32;
    let seed = number("COXSWAIN_CHAOS_SEED")
        .unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() % 1_000_000);
    println!("{faults} faults of seed {seed}: COXSWAIN_CHAOS_SEED={seed} repeats them");
    let directory = scratch();
    let epochs = (faults * STEPS_A_FAULT).div_ceil(STEPS).to_string();
    let length = ["--epochs", &epochs];
    let expected = Coordinator::run(&directory.path().join("undisturbed"), 2, &[&RUN[..], &length].concat()).well();

    let flags = [&CLUSTER[..], &RUN, &length].concat();
    let stall = Stall::new(directory.path());
    let (pace_of_all, [preload, switch]) = (pace(PACE), stall.variables());
    let variables = [preload, switch, ("COXSWAIN_FAULT", pace_of_all.as_str())];
    let run = Coordinator::start_within(&variables, &directory.path().join("chaos"), &flags);
    let mut chaos = Chaos {
        dice: Dice { seed, thrown: 0 },
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        data: ["--data-dir".to_owned(), system_tests::data_dir().to_str().unwrap().to_owned()],
        stall,
        run: Some(run),
        joined: BTreeMap::new(),
    };
    for fault in 1..=faults {
        pause(&mut chaos.dice, chaos.run.as_mut().unwrap());
        let what = chaos.dice.below(14);
        let told = match (what, chaos.joined.keys().next().cloned()) {
            (..=5, _) => chaos.strike(what),
            (10..=12, Some(name)) => chaos.disturb(what, &name),
            _ => chaos.join(what, &format!("late-{fault}")),
        };
        let state = chaos.run().wait_until(|_| true);
        println!("fault {fault}: {told}; epoch {} step {}, generation {}", state.epoch, state.step, state.generation);
        if state.state() == RunState::Finished {
            break;
        }
    }
    let ended = chaos.run.take().unwrap().wait().well();
    assert_same(&ended, &expected);
    // And so the journal has it: the same command finds nothing left to do, and sums up what it reads there.
    let again = Coordinator::start(&directory.path().join("chaos"), &flags).wait().well();
    assert_same(&again, &expected);
}
