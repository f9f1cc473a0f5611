//! What takes a minute because of pauses that grow, or of a coordinator that is gone. Nearly all of it is waiting, so these run beside
//! each other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto::v1::RunState;
use std::{
    thread,
    time::{Duration, Instant},
};
use system_tests::{Coordinator, TestRun, assert_same, fail_at, scratch};

#[test]
fn a_coordinator_gone_for_a_minute_costs_no_step() {
    let directory = scratch();
    let long = ["--limit-train", "1600", "--batch-size", "4", "--limit-test", "250", "--epochs", "1", "--shards", "2"];
    let expected = Coordinator::run(&directory.path().join("undisturbed"), 2, &long).well();
    let flags = [&["--local", "--workers", "2"], &long[..]].concat();
    let run_dir = directory.path().join("killed");
    // The engine's own work is a few milliseconds of this.
    let step = Duration::from_millis(200);
    let slow = fail_at(0, (0, 0), &format!("slow={}", step.as_millis()));
    let mut run = Coordinator::start_failing(&run_dir, &flags, &[slow]);
    let before = run.wait_until(|run| run.state() == RunState::Training && run.step >= 3);
    let gone = Duration::from_mins(1);
    let mut run = run.killed_and_restarted(&flags, || thread::sleep(gone));
    let after = run.wait_until(|run| run.generation > before.generation && run.step > before.step);
    // As many steps as fit in a minute, but for those of a machine that is busy with other things.
    let possible = (gone.as_millis() / step.as_millis()) as u32;
    assert!(after.step - before.step > possible * 8 / 10, "{} steps in a minute", after.step - before.step);
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 0, "nothing failed: {}", ended.log);
}

#[test]
fn workers_that_never_get_any_further_end_the_run_with_its_reason() {
    let directory = scratch();
    let flags = TestRun::small().local(2).epochs(2).with(&["--failure-timeout", "1s"]);
    let run_dir = directory.path().join("run");
    let start = Instant::now();
    // Each of them trains well, five steps at a time.
    let ended = Coordinator::start_failing(&run_dir, &flags, &["*@*:0:5:exit".to_owned()]).wait();
    assert_eq!(ended.code, 7, "{}", ended.log);
    assert!(ended.log.contains("failed 5 times in a row"), "{}", ended.log);
    assert!(start.elapsed() < Duration::from_mins(3), "{:?}", start.elapsed());
    // What ended them is mended.
    let ended = Coordinator::start(&run_dir, &flags).wait().well();
    assert_same(
        &ended,
        &Coordinator::run(&directory.path().join("undisturbed"), 2, &TestRun::small().epochs(2)).well(),
    );
}

#[test]
fn a_run_ends_when_nobody_who_could_go_on_is_left_and_what_was_done_is_saved() {
    let directory = scratch();
    let expected = Coordinator::run(&directory.path().join("undisturbed"), 2, &TestRun::small()).well();
    let run_dir = directory.path().join("hopeless");
    let flags = TestRun::small().local(2);
    let start = Instant::now();
    let fault = ["*@*:1:3:fail".to_owned()];
    let ended = Coordinator::start_failing(&run_dir, &flags, &fault).wait();
    assert_eq!(ended.code, 7, "{}", ended.log);
    assert!(ended.log.contains("nobody who could go on is left"), "{}", ended.log);
    assert!(start.elapsed() < Duration::from_mins(2), "{:?}", start.elapsed());
    assert_eq!(ended.summary()["steps"], 14, "{}", ended.log);
    let ended = Coordinator::start(&run_dir, &flags).wait().well();
    assert!(ended.log.contains("going on from checkpoint step-00000014"), "{}", ended.log);
    assert_same(&ended, &expected);
}
