//! However a run ends, the newest state that anyone holds is saved; and a state that does not come is asked for again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::v1::RunState;
use system_tests::{
    Coordinator, Ended, Line, TestRun, Worker, assert_same, fail_at, members, pace, scratch, undisturbed,
};

fn expected() -> &'static Ended {
    undisturbed(&TestRun::small())
}

fn steps(ended: &Ended) -> u64 {
    ended.summary()["steps"].as_u64().unwrap()
}

fn data() -> [String; 2] {
    ["--data-dir".to_owned(), system_tests::data_dir().to_str().unwrap().to_owned()]
}

#[test]
fn a_stop_while_workers_are_waited_for_saves_what_those_who_are_left_hold() {
    let directory = scratch();
    let expected = expected();
    let run_dir = directory.path().join("waiting");
    let flags = TestRun::small().workers(2).with(&["--min-workers", "2"]);
    let mut run = Coordinator::start(&run_dir, &flags);
    let data = data();
    let data = [data[0].as_str(), data[1].as_str()];
    let stays = Worker::start_failing(&run, "stays", &data, &pace(100));
    let goes = Worker::start_failing(&run, "goes", &data, &pace(100));
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    drop(goes);
    run.wait_until(|run| run.state() == RunState::Waiting && members(run) == 0);
    run.terminate();
    let ended = run.wait().well();
    assert_eq!(ended.summary()["state"], "stopped", "{}", ended.log);
    assert!((14..22).contains(&steps(&ended)), "{} steps\n{}", steps(&ended), ended.log);
    assert_eq!(stays.wait().0, 0);
    let local = TestRun::small().local(2);
    assert_same(&Coordinator::start(&run_dir, &local).wait().well(), expected);
}

#[test]
fn the_last_worker_to_leave_leaves_its_state_behind() {
    let directory = scratch();
    let expected = expected();
    for workers in [1, 2] {
        let run_dir = directory.path().join(workers.to_string());
        let count = workers.to_string();
        let mut run = Coordinator::start(&run_dir, &TestRun::small().with(&["--workers", &count]));
        let data = data();
        let data = [data[0].as_str(), data[1].as_str()];
        let leavers: Vec<Worker> =
            (0..workers).map(|index| Worker::start_failing(&run, &format!("w{index}"), &data, &pace(100))).collect();
        run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
        for worker in &leavers {
            worker.signal(Signal::SIGTERM);
        }
        for worker in leavers {
            let (code, log) = worker.wait();
            assert_eq!(code, 0, "{log}");
        }
        let left = run.wait_until(|run| {
            let gone = run.state() == RunState::Waiting && run.workers.is_empty();
            gone && *run.checkpoint > *"step-00000013"
        });
        let saved: u32 = left.checkpoint.strip_prefix("step-").unwrap().parse().unwrap();
        assert!((14..22).contains(&saved), "{left:?}");
        // Whoever comes goes on from there.
        let late = Worker::start(&run, "late", &data);
        let ended = run.wait().well();
        assert_same(&ended, expected);
        assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 0, "{}", ended.log);
        assert_eq!(late.wait().0, 0);
    }
}

#[test]
fn a_state_that_does_not_come_is_asked_for_elsewhere() {
    let directory = scratch();
    let expected = expected();
    let flags = TestRun::small().local(2).with(&["--failure-timeout", "1s"]);
    // That of the first epoch, from either: whoever is asked first keeps it. At the end of the second both do.
    for who in 0..2 {
        let fault = [fail_at(who, (0, 11), "keep")];
        let run_dir = directory.path().join(format!("one-{who}"));
        let ended = Coordinator::start_failing(&run_dir, &flags, &fault).wait().well();
        assert_same(&ended, expected);
        assert_eq!(steps(&ended), 33);
    }
    let both = [fail_at(0, (1, 11), "keep"), fail_at(1, (1, 11), "keep")];
    let ended = Coordinator::start_failing(&directory.path().join("both"), &flags, &both).wait().well();
    assert_same(&ended, expected);
    assert!(ended.log.contains("there is no checkpoint of this epoch"), "{}", ended.log);
}

/// Only the way of states is broken: all else is well.
#[test]
fn a_line_that_breaks_at_the_end_loses_nothing() {
    let directory = scratch();
    let expected = expected();
    for workers in ["1", "2"] {
        let flags = TestRun::small().with(&["--local", "--workers", workers, "--failure-timeout", "1s"]);
        let fault = ["*@*:2:11:unsent=2500".to_owned()];
        let ended = Coordinator::start_failing(&directory.path().join(workers), &flags, &fault).wait().well();
        assert!(ended.log.contains("the line was made to break; asking again"), "{}", ended.log);
        assert_same(&ended, expected);
        assert_eq!(steps(&ended), 33, "{}", ended.log);
    }
}

/// A connection that is dead without a word is left for another one.
#[test]
fn a_line_that_stands_still_is_not_waited_for_twice() {
    let directory = scratch();
    let expected = expected();
    let flags = TestRun::small().workers(1).with(&["--failure-timeout", "1s"]);
    let run = Coordinator::start(&directory.path().join("dead"), &flags);
    let line = Line::that_forgets(run.address(), 400_000);
    let data = data();
    let worker = Worker::start_behind(&line, "far", &[data[0].as_str(), data[1].as_str()]);
    let ended = run.wait().well();
    assert!(ended.log.contains("the state of far did not come: nothing came for 1 s; asking again"), "{}", ended.log);
    assert!(!ended.log.contains("no checkpoint of this epoch"), "{}", ended.log);
    assert_same(&ended, expected);
    assert_eq!(worker.wait().0, 0);
}

#[test]
fn a_run_whose_last_state_cannot_be_had_is_not_finished() {
    let directory = scratch();
    let expected = expected();
    let run_dir = directory.path().join("lost");
    let flags = TestRun::small().local(2).with(&["--failure-timeout", "1s"]);
    let fault = ["*@*:2:11:unsent=600000".to_owned()];
    let ended = Coordinator::start_failing(&run_dir, &flags, &fault).wait();
    assert_eq!(ended.code, 7, "{}", ended.log);
    let summary = ended.summary();
    assert_eq!((&summary["state"], steps(&ended)), (&"failed".into(), 22), "{summary}");
    let reason = summary["reason"].as_str().unwrap();
    assert!(reason.contains("could not be saved") && reason.contains("the line was made to break"), "{reason}");
    assert_same(&Coordinator::start(&run_dir, &flags).wait().well(), expected);
}

/// Nobody knows yet that the others have died when the one that is told to leave could go.
#[test]
fn the_only_one_that_is_left_leaves_its_state_behind() {
    let directory = scratch();
    let expected = expected();
    for leaver in 0..3 {
        let run_dir = directory.path().join(format!("leaves-{leaver}"));
        let flags = TestRun::small().without("--shards").workers(3);
        let mut run = Coordinator::start(&run_dir, &[&flags[..], &["--shards", "3"]].concat());
        let data = data();
        let data = [data[0].as_str(), data[1].as_str()];
        let workers = [0, 1, 2].map(|index| Worker::start_failing(&run, &format!("w{index}"), &data, &pace(100)));
        run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
        for (index, worker) in workers.iter().enumerate() {
            worker.signal(if index == leaver { Signal::SIGTERM } else { Signal::SIGKILL });
        }
        let left = run.wait_until(|run| {
            let gone = run.state() == RunState::Waiting && run.workers.is_empty();
            gone && *run.checkpoint > *"step-00000013"
        });
        let saved: u32 = left.checkpoint.strip_prefix("step-").unwrap().parse().unwrap();
        assert!((14..22).contains(&saved), "{left:?}");
        drop(workers);
        let late = Worker::start(&run, "late", &data);
        let ended = run.wait().well();
        assert_eq!(ended.summary()["steps"], expected.summary()["steps"]);
        assert_eq!(late.wait().0, 0);
    }
}

#[test]
fn a_stop_saves_the_state_of_the_step_and_no_earlier_one() {
    let directory = scratch();
    let expected = expected();
    let run_dir = directory.path().join("every");
    let flags = TestRun::small().local(2).with(&["--checkpoint-every", "1"]);
    let mut run = Coordinator::start_failing(&run_dir, &flags, &[pace(20)]);
    run.wait_until(|run| run.epoch == 1 && run.step >= 3);
    run.terminate();
    let ended = run.wait().well();
    assert_eq!(ended.summary()["state"], "stopped", "{}", ended.log);
    let saved = steps(&ended);
    let ended = Coordinator::start(&run_dir, &flags).wait().well();
    assert!(ended.log.contains(&format!("going on from checkpoint step-{saved:08}")), "{}", ended.log);
    assert_same(&ended, expected);
}

#[test]
fn a_stopped_coordinator_blames_nobody_for_its_own_absence() {
    let directory = scratch();
    let expected = expected();
    let flags = TestRun::small().local(2).with(&["--failure-timeout", "1s"]);
    let mut run = Coordinator::start_failing(&directory.path().join("absent"), &flags, &[pace(100)]);
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 2);
    let process = Pid::from_raw(run.id() as i32);
    kill(process, Signal::SIGSTOP).unwrap();
    // Longer than workers wait for it, and than it waits for them.
    std::thread::sleep(std::time::Duration::from_secs(3));
    kill(process, Signal::SIGCONT).unwrap();
    let ended = run.wait().well();
    assert_same(&ended, expected);
    // Workers may have looked for another one meanwhile, and come back.
    let kinds = ended.summary()["recoveries"].to_string();
    assert!(!kinds.contains("silent") && !kinds.contains("no progress"), "{kinds}");
}

/// Each says what it holds before one of them is asked for it. A wrong one has been in the sums of the others.
#[test]
fn a_state_on_which_not_all_agree_is_not_saved() {
    let directory = scratch();
    let three = TestRun::small().without("--shards").shards(3).local(3);
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &three).wait().well();
    let run_dir = directory.path().join("differ");
    let faults = [pace(100), fail_at(1, (1, 3), "flip")];
    let mut run = Coordinator::start_failing(&run_dir, &three, &faults);
    run.wait_until(|run| run.epoch == 1 && run.step >= 5);
    run.terminate();
    let ended = run.wait();
    assert_eq!(steps(&ended), 11, "{}", ended.log);
    let ended = Coordinator::start(&run_dir, &three).wait().well();
    assert!(ended.log.contains("going on from checkpoint step-00000011"), "{}", ended.log);
    assert_same(&ended, &expected);
}

/// Workers that are told to leave while the coordinator is away wait a little for one that saves what they hold.
#[test]
fn who_leaves_while_the_coordinator_is_away_leaves_its_state_behind() {
    let directory = scratch();
    let expected = expected();
    let flags = TestRun::small().workers(2);
    let mut run = Coordinator::start(&directory.path().join("away"), &flags);
    let data = data();
    let data = [data[0].as_str(), data[1].as_str()];
    let leavers = [0, 1].map(|index| Worker::start_failing(&run, &format!("w{index}"), &data, &pace(100)));
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    let tell = || leavers.iter().for_each(|worker| worker.signal(Signal::SIGTERM));
    let mut run = run.killed_and_restarted(&flags, tell);
    run.wait_until(|run| *run.checkpoint > *"step-00000013");
    for worker in leavers {
        let (code, log) = worker.wait();
        assert_eq!(code, 0, "{log}");
    }
    let late = [0, 1].map(|index| Worker::start(&run, &format!("late-{index}"), &data));
    assert_same(&run.wait().well(), expected);
    for worker in late {
        assert_eq!(worker.wait().0, 0);
    }
}
