//! Promise P8: one bad machine never hurts the others. It is named, set aside and told why. It ends no
//! run, and costs the others no more than the step it was in. It leaves no mark in the weights.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::sys::signal::Signal;
use proto::v1::{GetStateRequest, Run, RunState, cluster_client::ClusterClient};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use system_tests::{Coordinator, Ended, Network, TestRun, Worker, assert_same, members, pace, scratch, undisturbed};

/// In milliseconds: a run takes longer than it takes to be set aside and to come back.
const PACE: u32 = 300;

fn data() -> [String; 2] {
    ["--data-dir".to_owned(), system_tests::data_dir().to_str().unwrap().to_owned()]
}

fn with<'a>(data: &'a [String; 2], flags: &[&'a str]) -> Vec<&'a str> {
    [&[data[0].as_str(), data[1].as_str()], flags].concat()
}

fn expected() -> &'static Ended {
    undisturbed(&TestRun::small())
}

/// Whether the worker `name` is set aside, for a reason with `words` in it.
fn is_aside(run: &Run, name: &str, words: &str) -> bool {
    run.workers.iter().any(|worker| {
        worker.name == name
            && worker.back_in_seconds.is_some()
            && worker.strikes > 0
            && worker.set_aside.contains(words)
    })
}

fn alone(directory: &Path, name: &str) -> Coordinator {
    Coordinator::start(&directory.join(name), &TestRun::small().workers(1))
}

#[test]
fn a_worker_with_an_address_that_is_not_its_own_is_set_aside_and_told_why() {
    let directory = scratch();
    let expected = expected();
    let mut run = alone(directory.path(), "address");
    let data = data();
    let healthy = Worker::start_failing(&run, "healthy", &with(&data, &[]), &pace(PACE));
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 2);
    // One that is the address of no machine is refused before anything is tried.
    let (code, log) = Worker::start(&run, "nowhere", &with(&data, &["--host", "0.0.0.0"])).wait();
    assert!(code == 2 && log.contains("0.0.0.0 is the address of no one machine"), "{code}: {log}");
    let wrong = Worker::start(&run, "wrong", &with(&data, &["--host", "10.255.255.1"]));
    let words = "10.255.255.1 is no address of this machine";
    let before = run.wait_until(|run| is_aside(run, "wrong", words));
    // Again, after a longer pause; and the others hear nothing of it.
    let again = run.wait_until(|run| run.workers.iter().any(|worker| worker.name == "wrong" && worker.strikes > 1));
    assert_eq!((before.generation, again.generation), (1, 1));
    wrong.signal(Signal::SIGTERM);
    let (code, log) = wrong.wait();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("set aside for 2 s") && log.contains(words), "{log}");
    let ended = run.wait().well();
    assert_same(&ended, expected);
    assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 0, "{}", ended.log);
    assert_eq!(healthy.wait().0, 0);
}

#[test]
fn a_worker_whose_every_step_fails_costs_a_step_now_and_then() {
    let directory = scratch();
    let expected = expected();
    let mut run = alone(directory.path(), "sick");
    let data = data();
    let healthy = Worker::start_failing(&run, "healthy", &with(&data, &[]), &pace(PACE));
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 2);
    let sick = Worker::start_failing(&run, "sick", &with(&data, &[]), "sick@*:0:0:fail");
    let words = "this step was made to fail";
    let first = run.wait_until(|run| is_aside(run, "sick", words));
    let second = run.wait_until(|run| run.workers.iter().any(|worker| worker.name == "sick" && worker.strikes > 1));
    // In between it was away for two seconds, in which the other went on.
    let steps = |run: &Run| run.workers.iter().map(|worker| worker.epoch * 11 + worker.step).max();
    assert!(steps(&second) >= steps(&first).map(|steps| steps + 2), "{first:?} {second:?}");
    let ended = run.wait().well();
    assert_same(&ended, expected);
    let summary = ended.summary();
    let kinds: Vec<&str> =
        summary["recoveries"].as_array().unwrap().iter().map(|recovery| recovery["kind"].as_str().unwrap()).collect();
    assert!(kinds.iter().all(|kind| kind.starts_with("sick set aside: ")), "{kinds:?}");
    // A run of ten seconds has room for two or three of its attempts.
    assert!((2..=4).contains(&kinds.len()), "{kinds:?}");
    for worker in [healthy, sick] {
        assert_eq!(worker.wait().0, 0);
    }
}

#[test]
fn who_was_set_aside_rehearses_again_whatever_becomes_of_the_coordinator() {
    let directory = scratch();
    let expected = expected();
    let flags = TestRun::small().workers(1);
    let mut run = alone(directory.path(), "doubted");
    let data = data();
    let healthy = Worker::start_failing(&run, "healthy", &with(&data, &[]), &pace(PACE));
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 2);
    let sick = Worker::start_failing(&run, "sick", &with(&data, &[]), "sick@*:0:0:fail");
    run.wait_until(|run| is_aside(run, "sick", "made to fail"));
    // The next one knows nothing of its pause.
    let ended = run.killed_and_restarted(&flags, || {}).wait().well();
    assert_same(&ended, expected);
    assert_eq!(healthy.wait().0, 0);
    let (code, log) = sick.wait();
    assert_eq!(code, 0, "{log}");
    let (_, after) = log.split_once("attached again").unwrap();
    let next = ["rehearsing a step", "forming a generation"].map(|text| after.find(text).unwrap_or(usize::MAX));
    assert!(next[0] < next[1], "{log}");
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_nobodys_fault_and_the_one_before_counts() {
    let directory = scratch();
    let expected = expected();
    let mut run = alone(directory.path(), "damaged");
    let data = data();
    let first = Worker::start_failing(&run, "first", &with(&data, &[]), &pace(PACE));
    run.wait_until(|run| run.checkpoint == "step-00000022");
    first.signal(Signal::SIGKILL);
    let file = directory.path().join("damaged/checkpoints/step-00000022/model.safetensors");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    // Others who hold all places to fetch a state, and do not take it, are in nobody's way.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let url = run.url();
    let holders = runtime.block_on(async {
        let mut client = ClusterClient::connect(url).await.unwrap();
        let mut holders = Vec::new();
        let request = GetStateRequest { checkpoint: "step-00000011".to_owned(), ticket: 0 };
        while let Ok(held) = client.get_state(request.clone()).await {
            holders.push(held);
        }
        holders
    });
    assert!(!holders.is_empty());
    let second = Worker::start(&run, "second", &with(&data, &[]));
    let ended = run.wait().well();
    assert_same(&ended, expected);
    assert!(ended.log.contains("checkpoint step-00000022 cannot be read"), "{}", ended.log);
    assert!(!ended.log.contains("set aside"), "{}", ended.log);
    assert_eq!(second.wait().0, 0);
}

#[test]
fn a_worker_that_nobody_reaches_is_found_and_the_others_go_on() {
    let Some(mut network) = Network::inside("a_worker_that_nobody_reaches_is_found_and_the_others_go_on") else {
        return;
    };
    let directory = scratch();
    let shards = TestRun::small().without("--shards").shards(3);
    let expected = Coordinator::run(&directory.path().join("undisturbed"), 3, &shards).well();
    let flags = [&["--workers", "2", "--failure-timeout", "2s"], &shards[..]].concat();
    let mut run = Coordinator::start_at(&network.listen(), &directory.path().join("firewall"), &flags);
    let data = data();
    let well: Vec<Worker> = ["a", "b"]
        .map(|name| Worker::start_on(&network.host(name), &run.url(), name, &with(&data, &[]), &pace(PACE)))
        .into();
    run.wait_until(|run| run.state() == RunState::Training && members(run) == 2 && run.step >= 1);
    // It has the address, and nothing leads there.
    let hidden = network.host("hidden");
    network.add_hidden_address(&hidden, "10.11.0.1");
    let hidden = Worker::start_on(&hidden, &run.url(), "hidden", &with(&data, &["--host", "10.11.0.1"]), &pace(PACE));
    let aside = run.wait_until(|run| is_aside(run, "hidden", "did not come to generation"));
    assert_eq!(aside.workers.iter().filter(|worker| worker.strikes > 0).count(), 1, "{:?}", aside.workers);
    let on = run.wait_until(|run| run.state() == RunState::Training && members(run) == 2 && run.generation > 2);
    assert!(on.workers.iter().all(|worker| (worker.name == "hidden") == worker.rank.is_none()), "{on:?}");
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    drop(hidden);
    for worker in well {
        let (code, log) = worker.wait();
        assert_eq!(code, 0, "{log}");
    }
}

#[test]
fn a_source_that_dies_while_its_state_is_taken_over_leaves_nothing_torn() {
    let directory = scratch();
    let expected = expected();
    let flags = TestRun::small().workers(2).with(&["--failure-timeout", "2s"]);
    let mut run = Coordinator::start(&directory.path().join("halfway"), &flags);
    let data = data();
    // The second stands still until the first has gone on alone. When it comes back, it is to take over what the first holds,
    // and the first dies when a part of that has come.
    let pace = pace(150);
    let first = Worker::start_failing(&run, "first", &with(&data, &[]), &format!("{pace},first@*:0:1:halfway"));
    let second = Worker::start_failing(&run, "second", &with(&data, &[]), &pace);
    run.wait_until(|run| run.state() == RunState::Training && members(run) == 2 && run.step >= 2);
    second.signal(Signal::SIGSTOP);
    let alone = run.wait_until(|run| run.state() == RunState::Training && members(run) == 1);
    run.wait_until(|run| (run.epoch, run.step) >= (alone.epoch, alone.step + 2));
    second.signal(Signal::SIGCONT);
    let ended = run.wait().well();
    assert_same(&ended, expected);
    assert_eq!(first.wait().0, -1, "it was killed\n{}", ended.log);
    let (code, log) = second.wait();
    assert_eq!(code, 0, "{log}");
}

#[test]
fn a_name_that_its_owner_left_behind_is_free_again() {
    let directory = scratch();
    let expected = expected();
    let flags = TestRun::small().workers(1).with(&["--failure-timeout", "2s"]);
    let mut run = Coordinator::start(&directory.path().join("name"), &flags);
    let data = data();
    let before = Worker::start_failing(&run, "node", &with(&data, &[]), &pace(PACE));
    run.wait_until(|run| run.state() == RunState::Training && run.step >= 2);
    // As a node that has lost its power: its connections are open, and nobody is there.
    before.signal(Signal::SIGSTOP);
    let after = Worker::start(&run, "node", &with(&data, &[]));
    let ended = run.wait().well();
    assert_same(&ended, expected);
    let (code, log) = after.wait();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("it may be gone"), "{log}");
    // Its twin finds the run over, or its name taken, when it wakes.
    before.signal(Signal::SIGKILL);
}

#[test]
fn a_worker_that_comes_to_a_run_that_is_over_goes_again() {
    let directory = scratch();
    let flags = TestRun::small().local(1).epochs(1).without("--shards").with(&["--serve"]);
    let mut run = Coordinator::start(directory.path(), &flags);
    run.wait_until(|run| run.state() == RunState::Finished);
    let start = Instant::now();
    let data = data();
    let (code, log) = Worker::start(&run, "late", &with(&data, &[])).wait();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("dismissed: the run is over"), "{log}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

/// The address comes from the connection: with `::1 localhost` first, a resolver's first address is another one.
#[test]
fn a_name_with_addresses_of_two_families_leads_to_the_one_that_answers() {
    let Some(network) = Network::inside("a_name_with_addresses_of_two_families_leads_to_the_one_that_answers") else {
        return;
    };
    network.names("::1 localhost\n127.0.0.1 localhost\n");
    let directory = scratch();
    let expected = expected();
    let run = Coordinator::start(&directory.path().join("run"), &TestRun::small().workers(2));
    let port = run.address().rsplit_once(':').unwrap().1.to_owned();
    let data = data();
    let by_number = Worker::start(&run, "by-number", &with(&data, &[]));
    let by_name = Worker::start_for(&format!("http://localhost:{port}"), "by-name", &with(&data, &[]));
    let ended = run.wait().well();
    assert_same(&ended, expected);
    for worker in [by_number, by_name] {
        let (code, log) = worker.wait();
        assert_eq!(code, 0, "{log}");
    }
}

/// A machine on which a single piece of work takes longer than the failure time-out is slow, and not stuck: its rehearsal
/// has told.
#[test]
fn a_slow_machine_is_not_taken_for_a_stuck_one() {
    let directory = scratch();
    let short = TestRun::small().images(128, 300).epochs(1);
    let expected = Coordinator::run(&directory.path().join("undisturbed"), 2, &short).well();
    let flags = [&["--local", "--workers", "2", "--failure-timeout", "500ms"], &short[..]].concat();
    let fault = ["*@*:0:0:drag=1500".to_owned()];
    let ended = Coordinator::start_failing(&directory.path().join("slow"), &flags, &fault).wait().well();
    assert_same(&ended, &expected);
    assert_eq!(ended.summary()["recoveries"].as_array().unwrap().len(), 0, "{}", ended.log);
}

/// One that is sick and alone ends no run while another one is there that could do the step.
#[test]
fn a_loss_that_is_no_number_on_one_machine_is_that_machines() {
    let directory = scratch();
    let run_with_one_shard = TestRun::small().without("--shards").shards(1);
    let expected = Coordinator::run(&directory.path().join("undisturbed"), 1, &run_with_one_shard).well();
    let mut run = Coordinator::start(&directory.path().join("sick"), &run_with_one_shard);
    let data = data();
    let faults = format!("{},sick@*:1:3:nan", pace(50));
    let sick = Worker::start_failing(&run, "sick", &with(&data, &[]), &faults);
    run.wait_until(|run| run.state() == RunState::Training);
    let spare = Worker::start_failing(&run, "spare", &with(&data, &[]), &pace(50));
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    assert!(ended.log.contains("sick is set aside for 2 s: the loss became NaN"), "{}", ended.log);
    assert_eq!((sick.wait().0, spare.wait().0), (0, 0));
    // Where nobody else is, it is the run that has diverged.
    let run = Coordinator::start(&directory.path().join("alone"), &run_with_one_shard);
    let alone = Worker::start_failing(&run, "sick", &with(&data, &[]), &faults);
    let ended = run.wait();
    assert_eq!(ended.code, 7, "{}", ended.log);
    assert!(ended.summary()["reason"].as_str().unwrap().contains("the run has diverged"), "{}", ended.log);
    drop(alone);
}

/// What was wrong with its state goes with it: it is a member again like any other.
#[test]
fn one_whose_loss_was_no_number_once_comes_back() {
    let directory = scratch();
    let expected = expected();
    let mut run = Coordinator::start(&directory.path().join("back"), &TestRun::small().workers(2));
    let data = data();
    let well = Worker::start_failing(&run, "well", &with(&data, &[]), &pace(PACE));
    let faults = format!("{},sick@1:0:2:nan", pace(PACE));
    let sick = Worker::start_failing(&run, "sick", &with(&data, &[]), &faults);
    run.wait_until(|run| is_aside(run, "sick", "this machine is sick"));
    run.wait_until(|run| run.state() == RunState::Training && members(run) == 2);
    let ended = run.wait().well();
    assert_same(&ended, expected);
    assert_eq!((well.wait().0, sick.wait().0), (0, 0));
}

/// A coordinator that comes back does not wait for ever for a worker that does not.
#[test]
fn what_is_left_goes_on_when_coordinator_and_worker_were_killed_together() {
    let directory = scratch();
    let expected = expected();
    let run_dir = directory.path().join("killed");
    let flags = TestRun::small().workers(2).with(&["--failure-timeout", "1s"]);
    let mut run = Coordinator::start(&run_dir, &flags);
    let data = data();
    let left = Worker::start_failing(&run, "left", &with(&data, &[]), &pace(50));
    let killed = Worker::start_failing(&run, "killed", &with(&data, &[]), &pace(50));
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 1 && run.step >= 3);
    killed.signal(Signal::SIGKILL);
    let mut again = run.killed_and_restarted(&flags, || ());
    again.wait_until(|run| run.state() == RunState::Training);
    let ended = again.wait().well();
    assert_same(&ended, expected);
    assert_eq!(left.wait().0, 0);
    drop(killed);
}

/// A disk that fails for a moment costs no checkpoint.
#[test]
fn a_checkpoint_that_cannot_be_read_for_a_moment_is_waited_for() {
    let directory = scratch();
    let expected = expected();
    let run_dir = directory.path().join("unread");
    let mut run = alone(directory.path(), "unread");
    let data = data();
    let first = Worker::start_failing(&run, "first", &with(&data, &[]), &pace(50));
    run.wait_until(|run| run.state() == RunState::Training && run.epoch == 2);
    run.terminate();
    let stopped = run.wait().well();
    drop(first);
    let steps = stopped.summary()["steps"].as_u64().unwrap();
    let mut run = alone(directory.path(), "unread");
    let file = run_dir.join(format!("checkpoints/step-{steps:08}/model.safetensors"));
    let aside = run_dir.join("aside");
    fs::rename(&file, &aside).unwrap();
    // Opening it fails for a reason of the file system's.
    std::os::unix::fs::symlink(&file, &file).unwrap();
    let late = Worker::start(&run, "late", &with(&data, &[]));
    run.wait_until(|run| is_aside(run, "late", "model.safetensors"));
    fs::remove_file(&file).unwrap();
    fs::rename(&aside, &file).unwrap();
    let ended = run.wait().well();
    assert_same(&ended, expected);
    assert!(!ended.log.contains("counts instead"), "{}", ended.log);
    assert_eq!(late.wait().0, 0);
}
