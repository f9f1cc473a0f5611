//! Whatever is sent to a coordinator, it answers and goes on, with bounded memory; and nothing of it is in the weights.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use http::Request;
use plan::random::{below, philox};
use proto::v1::{
    self, GetDatasetRequest, GetRunRequest, GetStateRequest, PredictRequest, Report, StateChunk, StateHeader,
    WatchRunRequest, cluster_client::ClusterClient, inference_client::InferenceClient, predict_request::Image,
    report::Report as Up, state_chunk::Chunk, training_client::TrainingClient,
};
use std::{
    fs,
    time::{Duration, Instant, SystemTime},
};
use system_tests::{Coordinator, TestRun, assert_same, scratch};
use tokio::{net::TcpStream, runtime::Runtime, time::timeout};
use tokio_stream::iter;
use tonic::{Code, transport::Channel};

fn small() -> TestRun<'static> {
    TestRun::small().epochs(1)
}

/// Rounds of everything.
const ROUNDS: u32 = 150;

/// Longer than the coordinator takes to answer, whatever it is at.
const ANSWER: Duration = Duration::from_secs(5);

/// Arbitrary things, among them those at the edges.
struct Dice {
    seed: u32,
    thrown: u32,
}

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.thrown += 1;
        below(philox([self.seed, 0], [self.thrown, 0, 0, 0])[0], bound)
    }

    fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << 63,
            3 => u64::from(u32::MAX),
            4 => u64::from(self.below(u32::MAX)) << 20,
            _ => u64::from(self.below(12)),
        }
    }

    fn small(&mut self) -> u32 {
        self.number() as u32
    }

    fn float(&mut self) -> f64 {
        let among = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1e300, 0.5];
        among[self.below(among.len() as u32) as usize]
    }

    fn text(&mut self) -> String {
        let among = ["", "a", "b", "../../etc/passwd", "\u{1b}[2J\n\u{202e}", "step-00000011", "données 数据"];
        match self.below(among.len() as u32 + 1) as usize {
            index if index < among.len() => among[index].to_owned(),
            _ => "long".repeat(20_000),
        }
    }

    fn bytes(&mut self, most: u32) -> Vec<u8> {
        let len = self.below(most);
        (0..len).map(|_| self.below(256) as u8).collect()
    }

    fn position(&mut self) -> Option<v1::Position> {
        (self.below(8) > 0).then(|| v1::Position { epoch: self.small(), step: self.small() })
    }

    fn totals(&mut self) -> Option<v1::Totals> {
        let samples = if self.below(2) == 0 { 650 } else { self.number() };
        (self.below(8) > 0).then(|| v1::Totals { loss: self.float(), correct: self.number(), samples })
    }

    fn held(&mut self) -> Option<v1::Held> {
        let digest = (self.below(4) > 0).then(|| self.number());
        (self.below(3) > 0).then(|| v1::Held {
            position: self.position(),
            totals: self.totals(),
            lineage: self.number(),
            digest,
        })
    }

    fn hello(&mut self, name: &str) -> v1::Hello {
        let fits = self.below(4) > 0;
        v1::Hello {
            version: if fits { proto::VERSION.to_owned() } else { self.text() },
            name: if fits { name.to_owned() } else { self.text() },
            device: self.text(),
            device_name: self.text(),
            bf16: self.below(2) == 0,
            host: if fits { "127.0.0.1".to_owned() } else { self.text() },
            run_id: (self.below(8) == 0).then(|| self.text()),
            held: self.held(),
            model: (self.below(8) == 0).then(|| self.text()),
            generation: self.number(),
            instance: self.number(),
            nccl: self.below(2) == 0,
            gpu: self.text(),
            kind: "stranger".to_owned(),
            libtorch: "2".to_owned(),
        }
    }

    /// A report of a generation that may be the one that is.
    fn report(&mut self, current: u64) -> Option<Up> {
        let generation = if self.below(4) > 0 { current } else { self.number() };
        Some(match self.below(16) {
            0 | 1 => Up::Prepared(v1::Prepared { stretch_seconds: self.float(), shard_seconds: self.float() }),
            2 => Up::StoreOpened(v1::StoreOpened { generation, port: self.small() }),
            3 | 4 => Up::Ready(v1::Ready { generation, held: self.held() }),
            5 => Up::Progress(v1::Progress {
                generation,
                position: self.position(),
                totals: self.totals(),
                images_per_second: self.float(),
                pulse: self.number(),
                waiting: self.below(2) == 0,
                compute_seconds: self.float(),
                wait_seconds: self.float(),
                stretch_seconds: self.float(),
            }),
            6 => Up::EpochDone(v1::EpochDone {
                generation,
                epoch: self.small(),
                totals: self.totals(),
                seconds: self.float(),
                images: self.number(),
            }),
            7 => Up::Halted(v1::Halted {
                generation,
                position: self.position(),
                seconds: self.float(),
                images: self.number(),
            }),
            8 => Up::Evaluated(v1::Evaluated {
                generation,
                epoch: self.small(),
                chunks: (0..self.below(3))
                    .map(|_| v1::ChunkResult {
                        chunk: self.small(),
                        loss: self.float(),
                        confusion: (0..100).map(|_| self.small()).collect(),
                    })
                    .collect(),
            }),
            9 => Up::Failed(v1::Failed {
                generation: if self.below(2) == 0 { 0 } else { generation },
                message: self.text(),
                blame: self.below(5) as i32,
            }),
            10 => Up::Leaving(v1::Leaving { reason: self.text() }),
            11 => Up::StateDigest(v1::StateDigest { generation, position: self.position(), digest: self.number() }),
            12 => Up::Attested(v1::Attested { request: self.number(), held: self.held() }),
            13 => Up::NotUploaded(v1::NotUploaded { ticket: self.number(), cause: self.text() }),
            14 => Up::Hello(self.hello("again")),
            _ => return None,
        })
    }
}

/// One round of everything, each in vain.
async fn bother(dice: &mut Dice, channel: &Channel) {
    let mut cluster = ClusterClient::new(channel.clone()).max_decoding_message_size(64 << 20);
    let mut training = TrainingClient::new(channel.clone());
    let current = training.get_run(GetRunRequest {}).await.unwrap().into_inner().generation;
    let name = format!("stranger-{}", dice.below(6));
    let mut reports = vec![Report { report: Some(Up::Hello(dice.hello(&name))) }];
    for _ in 0..dice.below(20) {
        let generation = current + u64::from(dice.below(2));
        reports.push(Report { report: dice.report(generation) });
    }
    let attached = timeout(ANSWER, cluster.attach(iter(reports))).await.expect("an answer");
    if let Ok(orders) = attached {
        let mut orders = orders.into_inner();
        // As far as they come at once.
        while let Ok(Ok(Some(_))) = timeout(Duration::from_millis(20), orders.message()).await {}
    }
    let header = StateHeader {
        run_id: dice.text(),
        ticket: dice.number(),
        position: dice.position(),
        totals: dice.totals(),
        slots: (0..dice.number() % 4)
            .map(|slot| v1::StateSlot {
                name: ["parameters", "running_statistics", "momentum", ""][slot as usize].to_owned(),
                elements: dice.number(),
            })
            .collect(),
        digest: dice.number(),
    };
    let chunks = [Chunk::Header(header.clone()), Chunk::Data(dice.bytes(999)), Chunk::Header(header)];
    let first = dice.below(3) as usize;
    let chunks: Vec<StateChunk> =
        chunks[first..].iter().map(|chunk| StateChunk { chunk: Some(chunk.clone()) }).collect();
    let refused = timeout(ANSWER, cluster.put_state(iter(chunks))).await.expect("an answer").unwrap_err();
    let expected = [Code::PermissionDenied, Code::InvalidArgument, Code::FailedPrecondition, Code::Unavailable];
    assert!(expected.contains(&refused.code()), "{refused:?}");

    let request = GetStateRequest { checkpoint: dice.text(), ticket: dice.number() };
    if let Err(status) = timeout(ANSWER, cluster.get_state(request.clone())).await.expect("an answer") {
        assert!(matches!(status.code(), Code::NotFound | Code::InvalidArgument), "{request:?}: {status:?}");
    }
    let request = GetDatasetRequest { sha256: dice.text() };
    assert_eq!(
        timeout(ANSWER, cluster.get_dataset(request)).await.expect("an answer").unwrap_err().code(),
        Code::NotFound
    );

    let mut inference = InferenceClient::new(channel.clone());
    let image = match dice.below(3) {
        0 => None,
        1 => Some(Image::Pixels(dice.bytes(4000))),
        _ => Some(Image::File([&b"\x89PNG\r\n\x1a\n"[..], &dice.bytes(500)].concat())),
    };
    let status = timeout(ANSWER, inference.predict(PredictRequest { image, ..PredictRequest::default() }))
        .await
        .expect("an answer")
        .err();
    assert!(status.is_none_or(|status| matches!(status.code(), Code::InvalidArgument | Code::Unavailable)));

    let watched = timeout(ANSWER, training.watch_run(WatchRunRequest { interval_ms: dice.small() })).await;
    assert!(watched.expect("an answer").unwrap().into_inner().message().await.unwrap().is_some());
}

#[test]
fn arbitrary_messages_are_answered_and_leave_nothing_behind() {
    let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as u32 % 1_000_000;
    println!("seed {seed}");
    let mut dice = Dice { seed, thrown: 0 };
    let directory = scratch();
    let expected = Coordinator::run(&directory.path().join("undisturbed"), 2, &small()).well();
    let run_dir = directory.path().join("bothered");
    let flags = small().workers(2).with(&["--failure-timeout", "500ms"]);
    let mut run = Coordinator::start(&run_dir, &flags);
    let runtime = Runtime::new().unwrap();
    let connect = |run: &Coordinator| {
        runtime.block_on(async { Channel::from_shared(run.url()).unwrap().connect().await }).unwrap()
    };
    let mut channel = connect(&run);
    for round in 0..ROUNDS {
        // Workers that all say that the run has diverged, or fail again and again, end it: in words, and the same command
        // goes on.
        let over = run.run_state().is_none_or(|run| run.state() == v1::RunState::Failed);
        if over {
            let ended = run.wait();
            assert_eq!(ended.code, 7, "round {round}: {}", ended.log);
            run = Coordinator::start(&run_dir, &flags);
            channel = connect(&run);
        }
        let start = Instant::now();
        let bothered = runtime.block_on(runtime.spawn({
            let channel = channel.clone();
            let mut dice = Dice { seed: dice.seed, thrown: dice.thrown + 1_000_000 * (round + 1) };
            async move { bother(&mut dice, &channel).await }
        }));
        if let Err(error) = bothered
            && run.run_state().is_some_and(|run| run.state() != v1::RunState::Failed)
        {
            // Not because the run ended in between, as above.
            std::panic::resume_unwind(error.into_panic());
        }
        assert!(start.elapsed() < 6 * ANSWER, "round {round}");
        dice.thrown += 1;
    }
    if run.run_state().is_some() {
        let status = fs::read_to_string(format!("/proc/{}/status", run.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches("kB").trim().parse().unwrap();
        assert!(peak < 1_000_000, "{peak} kB");
        run.terminate();
    }
    let ended = run.wait();
    assert!([0, 7].contains(&ended.code), "{}", ended.log);
    assert!(!ended.log.contains("panicked"), "{}", ended.log);
    // Real workers go on where the run is, which is at its beginning.
    let ended = Coordinator::run(&run_dir, 2, &small()).well();
    assert_same(&ended, &expected);
}

/// Of a process, in MiB.
fn memory(run: &Coordinator) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", run.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() / 1024
}

/// Begins a call whose message of `length` bytes never comes to its end.
fn half_a_call(
    client: &mut h2::client::SendRequest<Bytes>,
    path: &str,
    length: u32,
) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
    let request = Request::builder().method("POST").uri(format!("http://coordinator{path}"));
    let request = request.header("content-type", "application/grpc").header("te", "trailers").body(()).unwrap();
    let (answer, mut body) = client.send_request(request, false).unwrap();
    let mut message = vec![0];
    message.extend(length.to_be_bytes());
    message.extend(vec![7; length as usize - 1]);
    body.send_data(message.into(), false).unwrap();
    (answer, body)
}

#[test]
fn half_a_request_keeps_nothing_for_long() {
    let directory = scratch();
    // The deadline of a request is ten seconds, then.
    let flags = small().workers(1).with(&["--failure-timeout", "1s"]);
    let run = Coordinator::start(&directory.path().join("run"), &flags);
    let before = memory(&run);
    Runtime::new().unwrap().block_on(async {
        let stream = TcpStream::connect(run.address()).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut halves = Vec::new();
        for _ in 0..200 {
            client = client.ready().await.unwrap();
            halves.push(half_a_call(&mut client, "/coxswain.v1.Training/GetRun", 60_000));
        }
        client = client.ready().await.unwrap();
        // One that is too long is refused at once, however much of it comes.
        let (answer, _body) = half_a_call(&mut client, "/coxswain.v1.Training/GetRun", 70_000);
        let refused = timeout(ANSWER, answer).await.unwrap().unwrap();
        assert_eq!(refused.headers()["grpc-status"], "11", "{refused:?}");
        for (answer, _body) in halves {
            let refused = timeout(Duration::from_secs(20), answer).await.unwrap().unwrap();
            assert_eq!(refused.headers()["grpc-status"], "4", "{refused:?}");
        }
    });
    let after = memory(&run);
    assert!(after < before + 100, "{before} MiB before, {after} after");
}
