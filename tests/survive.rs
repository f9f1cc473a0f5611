//! Promise P2: workers and the coordinator are killed and stopped in the middle of an epoch. Nothing is lost, and
//! nobody can tell from the weights.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::v1::RunState;
use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};
use system_tests::{
    Coordinator, Ended, TestRun, assert_same, binary, fail_at, fail_in, members, runs, scratch, undisturbed,
};

/// A run of two workers. In its first generation it is slow from a step of the second epoch on. So what a test does next
/// meets it in that epoch, on a machine of any speed.
fn local(directory: &Path, name: &str, flags: &[&str]) -> Coordinator {
    let flags = TestRun::three_epochs().local(2).with(flags);
    Coordinator::start_failing(&directory.join(name), &flags, &[fail_at(0, SLOW_FROM, "slow=250")])
}

const SLOW_FROM: (u32, u32) = (1, 3);

fn expected() -> &'static Ended {
    undisturbed(&TestRun::three_epochs())
}

fn signal(worker: u32, signal: Signal) {
    kill(Pid::from_raw(worker as i32), signal).unwrap();
}

fn recoveries(ended: &Ended) -> Vec<String> {
    let summary = ended.summary();
    let recoveries = summary["recoveries"].as_array().unwrap();
    assert!(recoveries.iter().all(|recovery| recovery["resumed_ms"].is_u64()), "{recoveries:?}");
    recoveries.iter().map(|recovery| recovery["kind"].as_str().unwrap().to_owned()).collect()
}

/// What `cox events` tells of the run in `directory`.
fn events(directory: &Path) -> Vec<String> {
    let output = Command::new(binary("cox")).args(["events", "--json", "--run-dir"]).arg(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let events: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    events.as_array().unwrap().iter().map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_killed_worker_leaves_no_trace_in_the_weights() {
    let directory = scratch();
    let expected = expected();
    assert_eq!(recoveries(expected), [""; 0]);

    let mut run = local(directory.path(), "killed", &[]);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    signal(run.worker("local-1"), Signal::SIGKILL);
    let ended = run.wait().well();
    assert_same(&ended, expected);
    assert!(recoveries(&ended)[0].contains("local-1"), "{:?}", recoveries(&ended));
}

#[test]
fn a_stopped_worker_is_given_up_and_comes_back() {
    let directory = scratch();
    let expected = expected();
    let mut run = local(directory.path(), "stopped", &["--failure-timeout", "2s", "--min-workers", "2"]);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    // The one that is not slow: what it does, or that it waits, is in every sign of life. The other would be found to make
    // no progress a moment before it is found to be silent.
    let worker = run.worker("local-1");
    signal(worker, Signal::SIGSTOP);
    let alone = run.wait_until(|run| run.workers.len() == 1);
    assert!(alone.recoveries[0].kind.contains("local-1 lost: silent"), "{:?}", alone.recoveries);
    signal(worker, Signal::SIGCONT);
    let ended = run.wait().well();
    assert_same(&ended, expected);
    let kinds = recoveries(&ended);
    assert!(kinds[0].contains("local-1") && kinds[0].contains("silent"), "{kinds:?}");
    let events = events(&directory.path().join("stopped"));
    assert!(events.contains(&"local-1 is back".to_owned()), "{events:?}");
    assert!(!events.contains(&"local-0 is back".to_owned()), "it was there all the time: {events:?}");
}

#[test]
fn a_killed_coordinator_is_taken_up_by_the_workers_that_outlive_it() {
    let directory = scratch();
    let expected = expected();
    let mut run = local(directory.path(), "killed", &[]);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    let workers = ["local-0", "local-1"].map(|name| run.worker(name));
    let flags = TestRun::three_epochs().local(2);
    let mut run = run.killed_and_restarted(&flags, || {});
    let after = run.wait_until(|run| members(run) == 2);
    assert!(after.generation > 1, "{after:?}");
    assert_eq!(["local-0", "local-1"].map(|name| run.worker(name)), workers, "the same processes");
    let ended = run.wait().well();
    assert_same(&ended, expected);
    assert!(ended.log.contains("taking local-0 over"), "{}", ended.log);
    let events = events(&directory.path().join("killed"));
    let again = "the coordinator was started again: it goes on from checkpoint step-";
    let place = events.iter().position(|event| event.starts_with(again));
    let back = events.iter().position(|event| event == "local-0 is back");
    assert!(place.is_some() && back > place, "{events:?}");
}

/// Promise P4. An epoch of 400 steps that takes longer than the coordinator is away.
#[test]
fn a_worker_that_dies_while_the_coordinator_is_away_costs_one_step() {
    let directory = scratch();
    let expected = expected();
    let mut run = local(directory.path(), "both", &[]);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    let worker = run.worker("local-1");
    let flags = TestRun::three_epochs().local(2);
    let run = run.killed_and_restarted(&flags, || {
        signal(worker, Signal::SIGKILL);
        // Long enough for the other one to come upon it.
        thread::sleep(Duration::from_millis(700));
    });
    let ended = run.wait().well();
    assert_same(&ended, expected);
}

#[test]
fn what_was_survived_is_known_to_the_next_coordinator() {
    let directory = scratch();
    let expected = expected();
    let flags = TestRun::three_epochs().local(2).with(&["--min-workers", "2"]);
    // The first generation takes its time until a worker is killed, and so does the second, until the coordinator is.
    let slow = [fail_at(0, SLOW_FROM, "slow=250"), fail_in(2, "local-1", (0, 0), "slow=250")];
    let mut run = Coordinator::start_failing(&directory.path().join("both"), &flags, &slow);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    signal(run.worker("local-1"), Signal::SIGKILL);
    run.wait_until(|run| run.recoveries.first().is_some_and(|recovery| recovery.resumed_ms.is_some()));
    let mut run = run.killed_and_restarted(&flags, || {});
    let after = run.wait_until(|_| true);
    assert!(after.recoveries[0].kind.starts_with("local-1 lost"), "{:?}", after.recoveries);
    let ended = run.wait().well();
    assert_same(&ended, expected);
    assert!(recoveries(&ended)[0].starts_with("local-1 lost"), "{:?}", recoveries(&ended));
}

#[test]
fn workers_that_no_coordinator_comes_back_for_end_by_themselves() {
    let directory = scratch();
    let flags = TestRun::three_epochs().local(2);
    let slow = fail_at(0, SLOW_FROM, "slow=500");
    // Ten minutes if nobody says otherwise.
    let variables = [("COXSWAIN_FAULT", slow.as_str()), ("COXSWAIN_GIVE_UP_AFTER", "1s")];
    let mut run = Coordinator::start_within(&variables, directory.path(), &flags);
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    let workers = ["local-0", "local-1"].map(|name| run.worker(name));
    run.kill();
    let start = Instant::now();
    while workers.iter().any(|worker| runs(*worker)) {
        assert!(start.elapsed() < Duration::from_secs(20), "they still run");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_worker_that_is_slower_than_the_other_is_named() {
    let directory = scratch();
    let expected = expected();
    let flags = TestRun::three_epochs().local(2).with(&["--failure-timeout", "1s"]);
    let slow = fail_at(1, (0, 3), "slow=300");
    let ended = Coordinator::start_failing(&directory.path().join("slow"), &flags, &[slow]).wait().well();
    assert_same(&ended, expected);
    assert!(ended.log.contains("local-1 is slow: a shard takes it 0."), "{}", ended.log);
    assert!(!ended.log.contains("local-0 is slow"), "{}", ended.log);
    assert_eq!(recoveries(&ended), [""; 0], "slow is not lost");
}

#[test]
fn faults_at_any_step_leave_no_trace_in_the_weights() {
    let directory = scratch();
    let expected = expected();
    // The first step, the last of an epoch, one in between.
    let cases = [
        ("exit", (0, 0), "local-1 lost"),
        ("kill", (1, 10), "local-1 lost"),
        ("drop", (1, 4), "local-1 lost"),
        ("hang", (1, 3), "local-1 lost: no progress for 1."),
        ("stop", (2, 5), "local-1 lost: silent for 1."),
    ];
    for (what, at, noticed) in cases {
        let flags = TestRun::three_epochs().local(2).with(&["--failure-timeout", "1s"]);
        let run = Coordinator::start_failing(&directory.path().join(what), &flags, &[fail_at(1, at, what)]);
        let ended = run.wait().well();
        assert_same(&ended, expected);
        let kinds = recoveries(&ended);
        assert!(kinds.first().is_some_and(|kind| kind.starts_with(noticed)), "{what}: {kinds:?}\n{}", ended.log);
    }
}

/// Steps that were computed from a wrong state are done again.
#[test]
fn a_flipped_bit_is_outvoted_and_leaves_no_mark() {
    let directory = scratch();
    let flags = TestRun::three_epochs().without("--shards").shards(3).local(3);
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &flags).wait().well();
    let every = flags.clone().with(&["--checkpoint-every", "4"]);
    for (name, flags) in [("epochs", &flags), ("steps", &every)] {
        let fault = [fail_at(1, (1, 3), "corrupt")];
        let ended = Coordinator::start_failing(&directory.path().join(name), flags, &fault).wait().well();
        let kinds = recoveries(&ended);
        let outvoted = kinds[0].starts_with("local-1 lost: its state at") && kinds[0].ends_with("that of 2 others");
        assert!(outvoted, "{kinds:?}");
        assert_same(&ended, &expected);
    }
}

#[test]
fn of_two_that_differ_none_is_believed_and_both_go_back() {
    let directory = scratch();
    let expected = expected();
    let flags = TestRun::three_epochs().local(2);
    let fault = [fail_at(0, (1, 3), "corrupt")];
    let ended = Coordinator::start_failing(&directory.path().join("once"), &flags, &fault).wait().well();
    assert!(ended.log.contains("it cannot be told whose is right"), "{}", ended.log);
    assert_same(&ended, expected);

    // A machine that computes wrongly each time.
    let run_dir = directory.path().join("always");
    let fault = ["local-0@*:1:3:corrupt".to_owned()];
    let ended = Coordinator::start_failing(&run_dir, &flags, &fault).wait();
    assert_eq!(ended.code, 7, "{}", ended.log);
    assert!(ended.log.contains("one of these machines computes wrongly"), "{}", ended.log);
    // What is on disk is of before.
    let ended = Coordinator::start(&run_dir, &flags).wait().well();
    assert_same(&ended, expected);
}

#[test]
fn everything_dies_and_the_last_checkpoint_within_the_epoch_is_gone_on_from() {
    let directory = scratch();
    let expected = expected();
    let every = ["--checkpoint-every", "4"];
    let flags = TestRun::three_epochs().local(2).with(&every);
    let mut run = local(directory.path(), "dead", &every);
    // Of the second epoch, which has 11 steps.
    run.wait_until(|run| *run.checkpoint >= *"step-00000015");
    let workers = ["local-0", "local-1"].map(|name| run.worker(name));
    let run =
        run.killed_and_restarted(&flags, || workers.into_iter().for_each(|worker| signal(worker, Signal::SIGKILL)));
    let ended = run.wait().well();
    assert!(ended.log.contains("going on from checkpoint step-0000001"), "{}", ended.log);
    assert_same(&ended, expected);
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_reported_and_the_next_one_tried() {
    let directory = scratch();
    let expected = expected();
    let run_dir = directory.path().join("full");
    let checkpoints = run_dir.join("checkpoints");
    let mut run = local(directory.path(), "full", &[]);
    run.wait_until(|run| run.epoch == 1 && !run.checkpoint.is_empty());
    // Where the directory was there is none any more.
    fs::rename(&checkpoints, run_dir.join("aside")).unwrap();
    fs::write(&checkpoints, "").unwrap();
    run.wait_for("the last good checkpoint stays");
    fs::remove_file(&checkpoints).unwrap();
    fs::rename(run_dir.join("aside"), &checkpoints).unwrap();
    let ended = run.wait().well();
    assert_same(&ended, expected);
    let newest = fs::read_to_string(checkpoints.join("latest")).unwrap();
    assert!(newest.starts_with("step-00000033"), "{newest}");
}
