//! What happens to a network: a worker's link is cut, both ways and one way, and mended; the coordinator gets another
//! address. The others go on, who was cut off comes back as a joiner, and nobody can tell from the weights.

use proto::v1::RunState;
use system_tests::{Coordinator, Cut, Network, Worker, assert_same, members, pace};

/// In milliseconds: an epoch of 11 steps takes half a second or more.
const PACE: u32 = 50;

/// Long enough, at that pace, for three cuts.
const RUN: [&str; 14] = [
    "--workers",
    "2",
    "--shards",
    "2",
    "--limit-train",
    "650",
    "--limit-test",
    "250",
    "--batch-size",
    "64",
    "--epochs",
    "30",
    "--failure-timeout",
    "1s",
];

#[test]
fn a_worker_that_is_cut_off_comes_back_as_a_joiner() {
    let Some(mut network) = Network::inside("a_worker_that_is_cut_off_comes_back_as_a_joiner") else { return };
    let directory = tempfile::tempdir().expect("there is room for a run");
    let undisturbed = [&["--local"], &RUN[..]].concat();
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &undisturbed).wait().well();

    let mut run = Coordinator::start_at(&network.listen(), &directory.path().join("cut"), &RUN);
    let (near, far) = (network.host("near"), network.host("far"));
    let data = system_tests::data_dir();
    let data = ["--data-dir", data.to_str().expect("the path is text")];
    let stays = Worker::start_on(&near, &run.url(), "stays", &data, &pace(PACE));
    let cut_off = Worker::start_on(&far, &run.url(), "cut-off", &data, &pace(PACE));
    let cuts = [Cut::Both, Cut::FromHost, Cut::ToHost];
    for cut in cuts {
        let before = run.wait_until(|run| run.state() == RunState::Training && members(run) == 2 && run.step >= 2);
        network.cut(&far, cut);
        // Whoever is left goes on, in a generation of its own.
        let alone = run.wait_until(|run| {
            let state = (run.state(), members(run));
            state == (RunState::Training, 1) && run.generation > before.generation && run.epoch > before.epoch + 1
        });
        network.mend(&far, cut);
        run.wait_until(|run| {
            let state = (run.state(), members(run));
            state == (RunState::Training, 2) && run.generation > alone.generation
        });
    }
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    let recoveries = ended.summary()["recoveries"].as_array().map_or(0, Vec::len);
    assert!(recoveries >= cuts.len(), "{recoveries} recoveries\n{}", ended.log);
    for worker in [stays, cut_off] {
        let (code, log) = worker.wait();
        assert_eq!(code, 0, "{log}");
    }
}

#[test]
fn a_coordinator_that_moves_is_found_by_its_name() {
    let Some(mut network) = Network::inside("a_coordinator_that_moves_is_found_by_its_name") else { return };
    let directory = tempfile::tempdir().expect("there is room for a run");
    let undisturbed = [&["--local"], &RUN[..]].concat();
    let expected = Coordinator::start(&directory.path().join("undisturbed"), &undisturbed).wait().well();

    let run_dir = directory.path().join("moves");
    let old = network.name("coordinator.test", false);
    let mut run = Coordinator::start_at(&format!("{old}:0"), &run_dir, &RUN);
    let (_, port) = run.address().rsplit_once(':').expect("an address has a port");
    let port = port.to_owned();
    let url = format!("http://coordinator.test:{port}");
    let data = system_tests::data_dir();
    let data = ["--data-dir", data.to_str().expect("the path is text")];
    let workers = ["a", "b"].map(|name| Worker::start_on(&network.host(name), &url, name, &data, &pace(PACE)));
    let before = run.wait_until(|run| run.state() == RunState::Training && run.epoch >= 2);
    run.kill();
    drop(run);
    let new = network.name("coordinator.test", true);
    assert_ne!(new, old);
    let mut run = Coordinator::start_at(&format!("{new}:{port}"), &run_dir, &RUN);
    run.wait_until(|run| members(run) == 2 && run.generation > before.generation);
    let ended = run.wait().well();
    assert_same(&ended, &expected);
    for worker in workers {
        let (code, log) = worker.wait();
        assert_eq!(code, 0, "{log}");
        assert!(log.contains("attached again to run"), "{log}");
    }
}
