//! A disk that is full, read-only or stuck: training goes on, the last good checkpoint stays, and nothing is missing once
//! there is room again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::{fcntl::OFlag, sys::stat::Mode, unistd::mkfifo};
use proto::v1::RunState;
use std::{fs, os::unix::fs::OpenOptionsExt, path::Path};
use system_tests::{Coordinator, Disk, Ended, TestRun, assert_same, fail_at, scratch};

fn small() -> TestRun<'static> {
    TestRun::small().local(2)
}

/// A run that takes its time from a step of the second epoch on, for the test to meet it there.
fn slow(run_dir: &Path, flags: &[&str]) -> Coordinator {
    Coordinator::start_failing(run_dir, &small().with(flags), &[fail_at(0, (1, 3), "slow=150")])
}

/// All that was to be recorded is: the same command has nothing left to do, and knows the same.
fn assert_recorded(run_dir: &Path, ended: &Ended) {
    let again = Coordinator::start(run_dir, &small()).wait().well();
    assert_same(&again, ended);
    assert_eq!(again.summary()["epochs"], 3, "{}", again.log);
}

#[test]
fn training_goes_on_while_the_disk_is_full() {
    let Some(disk) = Disk::inside("training_goes_on_while_the_disk_is_full") else { return };
    let elsewhere = scratch();
    let expected = Coordinator::start(&elsewhere.path().join("undisturbed"), &small()).wait().well();
    let run_dir = disk.root().join("run");
    let mut run = slow(&run_dir, &[]);
    run.wait_until(|run| run.epoch == 1 && run.step >= 3 && !run.checkpoint.is_empty());
    let latest = || fs::read_to_string(run_dir.join("checkpoints/latest")).unwrap();
    assert_eq!(latest(), "step-00000011\n");
    disk.fill();
    run.wait_for("the last good checkpoint stays");
    assert_eq!(latest(), "step-00000011\n");
    // The end of the run does not wait for room, but its last checkpoint does.
    run.wait_for("it is the last one, and is tried again");
    run.wait_until(|run| run.state() == RunState::Saving && run.reason.contains("No space left on device"));
    disk.free();
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert_eq!(latest(), "step-00000033\n");
    assert_recorded(&run_dir, &ended);
}

#[test]
fn a_last_checkpoint_that_cannot_be_written_is_given_up_on_request_alone() {
    let Some(disk) = Disk::inside("a_last_checkpoint_that_cannot_be_written_is_given_up_on_request_alone") else {
        return;
    };
    let elsewhere = scratch();
    let expected = Coordinator::start(&elsewhere.path().join("undisturbed"), &small()).wait().well();
    let run_dir = disk.root().join("run");
    let checkpoints = run_dir.join("checkpoints");
    let mut run = slow(&run_dir, &[]);
    run.wait_until(|run| run.epoch == 1 && run.step >= 3 && !run.checkpoint.is_empty());
    disk.protect(&checkpoints);
    run.wait_for("it is the last one, and is tried again");
    run.terminate();
    let ended = run.wait();
    assert_eq!(ended.code, 8, "{}", ended.log);
    assert!(ended.log.contains("coordinator: cannot create") && ended.log.contains("Read-only"), "{}", ended.log);
    // What is redone is what was not saved.
    disk.release(&checkpoints);
    let ended = Coordinator::start(&run_dir, &small()).wait().well();
    assert!(ended.log.contains("going on from checkpoint step-00000011"), "{}", ended.log);
    assert_same(&ended, &expected);
    // A directory that cannot be written from the beginning is told so.
    disk.protect(&run_dir);
    let refused = Coordinator::fails(&run_dir, &small());
    let why = "cannot be written (Read-only file system), and the journal is kept there";
    assert!(refused.code == 9 && refused.log.contains(why), "{}: {}", refused.code, refused.log);
    disk.release(&run_dir);
}

#[test]
fn nobody_waits_for_a_disk_that_is_stuck() {
    let directory = scratch();
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &small()).wait().well();
    let run_dir = directory.path().join("stuck");
    let every = ["--checkpoint-every", "1"];
    let mut run = Coordinator::start(&run_dir, &small().with(&every));
    // Whoever opens it to write waits for a reader: as long as this is there, so does every checkpoint. The workers have
    // not even begun to prepare.
    let stuck = run_dir.join("checkpoints/.latest.new");
    fs::create_dir_all(run_dir.join("checkpoints")).unwrap();
    mkfifo(&stuck, Mode::S_IRWXU).unwrap();
    run.wait_for("the disk does not keep up: no checkpoint of epoch 1, step 2, but a newer one");
    run.wait_until(|run| run.epoch == 2 || run.state() == RunState::Saving);
    // Who waited goes on, to fail with what is no file; the next one finds nothing in its way.
    let _reader = fs::OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&stuck).unwrap();
    fs::remove_file(&stuck).unwrap();
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert_eq!(fs::read_to_string(run_dir.join("checkpoints/latest")).unwrap(), "step-00000033\n");
}
