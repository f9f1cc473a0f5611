//! Many who look on at a run: all of them see it advance, and those who read nothing hold up nobody and cost little.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto::v1::{Run, WatchRunRequest, training_client::TrainingClient};
use serde_json::Value;
use std::{collections::BTreeSet, fs, time::Duration};
use system_tests::{Coordinator, TestRun, scratch};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::timeout,
};
use tonic::{Streaming, transport::Channel};

/// Of each kind, where the system lets a process have files for so many.
const READERS: u64 = 200;
/// A sixteenth of all connections are streams of the page. So many files are the coordinator's own, at the most.
const SHARE: u64 = 16;
const OWN: u64 = 128;
/// Of each kind, who read nothing.
const STALLED: usize = 25;
/// Places in the run that each has to see.
const PLACES: usize = 3;
/// What one who reads nothing may cost, in KiB.
const BUFFER: u64 = 256;
/// What else comes and goes in the coordinator meanwhile, in KiB.
const OTHER: u64 = 12 << 10;
/// Longer than anything here takes on a slow machine.
const LIMIT: Duration = Duration::from_mins(2);

/// It trains for as long as a test takes.
fn run() -> TestRun<'static> {
    TestRun::small().local(2).endless().with(&["--http", "127.0.0.1:0"])
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// A stream of what happens, as a page in a browser asks for it.
async fn page(mut stream: TcpStream, address: &str) -> TcpStream {
    let request = format!("GET /api/stream HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

async fn views(url: String, interval_ms: u32) -> Streaming<Run> {
    let mut client: TrainingClient<Channel> = TrainingClient::connect(url).await.unwrap();
    client.watch_run(WatchRunRequest { interval_ms }).await.unwrap().into_inner()
}

async fn advances_on_the_page(address: String) {
    let stream = page(TcpStream::connect(&address).await.unwrap(), &address).await;
    let mut lines = BufReader::new(stream).lines();
    let (mut places, mut of_run) = (BTreeSet::new(), false);
    while places.len() < PLACES {
        let line = lines.next_line().await.unwrap().expect("nobody is sent away");
        if let Some(data) = line.strip_prefix("data: ").filter(|_| of_run) {
            let run: Value = serde_json::from_str(data).unwrap();
            places.insert((run["epoch"].as_u64().unwrap(), run["step"].as_u64().unwrap()));
        }
        of_run = line == "event: run";
    }
}

async fn advances_for_a_watcher(url: String) {
    let mut views = views(url, 0).await;
    let mut places = BTreeSet::new();
    while places.len() < PLACES {
        let run = views.message().await.unwrap().expect("the run goes on");
        places.insert((run.epoch, run.step));
    }
}

/// How many of each kind there can be.
fn readers() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    // None is a number that is too large to be read.
    let hard: u64 = files.split_whitespace().nth(4).unwrap().parse().unwrap_or(u64::MAX);
    READERS.min(hard.saturating_sub(OWN) / SHARE)
}

#[test]
fn two_hundred_pages_and_two_hundred_watchers_see_the_run_advance() {
    let directory = scratch();
    let mut coordinator = run().start(&directory.path().join("run"));
    let (url, page) = (coordinator.url(), address(&mut coordinator));
    let count = readers();
    assert!(count > 20, "this system lets a process have too few files");
    runtime().block_on(async {
        let mut readers = JoinSet::new();
        for _ in 0..count {
            readers.spawn(advances_on_the_page(page.clone()));
            readers.spawn(advances_for_a_watcher(url.clone()));
        }
        assert_eq!(timeout(LIMIT, readers.join_all()).await.unwrap().len() as u64, 2 * count);
    });
    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);
}

fn address(coordinator: &mut Coordinator) -> String {
    coordinator.page().trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// Memory of the coordinator's own, in KiB.
fn memory(coordinator: &Coordinator) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", coordinator.process())).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn who_reads_nothing_costs_little_and_holds_up_nobody() {
    let directory = scratch();
    let mut coordinator = run().start(&directory.path().join("run"));
    let (url, address) = (coordinator.url(), address(&mut coordinator));
    coordinator.wait_until(|run| run.epoch >= 1);
    let before = memory(&coordinator);
    // Nothing reads from a connection whose runtime does not run.
    let stalled = runtime();
    let kept = stalled.block_on(async {
        let (mut pages, mut watched) = (Vec::new(), Vec::new());
        for _ in 0..STALLED {
            let socket = TcpSocket::new_v4().unwrap();
            // The system keeps little for it, so that the coordinator would have to.
            socket.set_recv_buffer_size(4096).unwrap();
            pages.push(page(socket.connect(address.parse().unwrap()).await.unwrap(), &address).await);
            watched.push(views(url.clone(), 1).await);
        }
        (pages, watched)
    });
    let mut most = before;
    let from = coordinator.run_state().unwrap().epoch;
    runtime().block_on(async {
        for _ in 0..3 {
            timeout(LIMIT, advances_on_the_page(address.clone())).await.unwrap();
            timeout(LIMIT, advances_for_a_watcher(url.clone())).await.unwrap();
            most = most.max(memory(&coordinator));
        }
    });
    coordinator.wait_until(|run| run.epoch >= from + 2);
    most = most.max(memory(&coordinator));
    let allowed = 2 * STALLED as u64 * BUFFER + OTHER;
    assert!(most <= before + allowed, "{before} KiB before, {most} with {} who read nothing", 2 * STALLED);
    println!("{} KiB for {} who read nothing", most - before, 2 * STALLED);
    drop(kept);
    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);
}
