//! Who decides how a run computes: the first worker that has shown that it can, and nobody by words alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::sys::signal::Signal;
use proto::v1::{self, Report, cluster_client::ClusterClient, report::Report as Up};
use std::{fs, path::Path, time::Duration};
use system_tests::{Coordinator, TestRun, Worker, assert_same, members, scratch};
use tokio::{runtime::Runtime, sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

fn small() -> TestRun<'static> {
    TestRun::small().epochs(1)
}

/// Longer than the coordinator takes to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// One that speaks as a worker does, and computes nothing.
struct Stranger {
    reports: mpsc::Sender<Report>,
    orders: Streaming<v1::Order>,
}

impl Stranger {
    /// Attaches. `bf16` is what it says of its device.
    async fn attach(url: &str, name: &str, bf16: bool, kind: &str, libtorch: &str) -> Result<Self, Status> {
        let hello = v1::Hello {
            version: proto::VERSION.to_owned(),
            name: name.to_owned(),
            host: "127.0.0.1".to_owned(),
            kind: kind.to_owned(),
            libtorch: libtorch.to_owned(),
            bf16,
            ..v1::Hello::default()
        };
        let (reports, up) = mpsc::channel(8);
        reports.send(Report { report: Some(Up::Hello(hello)) }).await.unwrap();
        let mut client = ClusterClient::connect(url.to_owned()).await.unwrap();
        let orders = client.attach(ReceiverStream::new(up)).await?.into_inner();
        Ok(Self { reports, orders })
    }

    /// Says that it could train.
    async fn prepare(&self) {
        let prepared = Up::Prepared(v1::Prepared { stretch_seconds: 0.1, shard_seconds: 0.1 });
        self.reports.send(Report { report: Some(prepared) }).await.unwrap();
    }

    /// The precision that it is welcomed with.
    async fn precision(&mut self) -> String {
        let order = timeout(ANSWER, self.orders.message()).await.unwrap().unwrap().unwrap();
        let Some(v1::order::Order::Welcome(welcome)) = order.order else { panic!("{order:?}") };
        proto::to_value(&welcome.config.unwrap())["precision"].as_str().unwrap().to_owned()
    }

    /// Why its stream ended.
    async fn refusal(&mut self) -> Status {
        loop {
            match timeout(ANSWER, self.orders.message()).await.unwrap() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended without a word"),
                Err(status) => return status,
            }
        }
    }
}

/// The precision of the undisturbed run, and the opposite of what its worker says of its device.
fn chosen(run_dir: &Path) -> (String, bool) {
    let config: serde_json::Value = serde_json::from_slice(&fs::read(run_dir.join("config.json")).unwrap()).unwrap();
    let precision = config["precision"].as_str().unwrap().to_owned();
    let opposite = precision == "fp32";
    (precision, opposite)
}

#[test]
fn words_alone_decide_nothing() {
    let directory = scratch();
    let runtime = Runtime::new().unwrap();
    let expected = Coordinator::run(&directory.path().join("undisturbed"), 1, &small()).well();
    let (_, opposite) = chosen(&directory.path().join("undisturbed"));
    let run = Coordinator::start(&directory.path().join("run"), &small().workers(1));
    // It computes on another kind of device with another libtorch in another precision, as it says, and never prepares.
    let stranger = runtime.block_on(Stranger::attach(&run.url(), "stranger", opposite, "cuda", "1.0")).unwrap();
    let worker = Worker::start(&run, "w", &[]);
    assert_same(&run.wait().well(), &expected);
    assert_eq!(worker.wait().0, 0);
    drop(stranger);
}

#[test]
fn of_two_that_differ_the_first_that_is_prepared_decides() {
    let directory = scratch();
    let runtime = Runtime::new().unwrap();
    let run_dir = directory.path().join("run");
    let flags = small().workers(3);
    let run = Coordinator::start(&run_dir, &flags);
    runtime.block_on(async {
        let mut late = Stranger::attach(&run.url(), "late", true, "cpu", "1.0").await.unwrap();
        assert_eq!(late.precision().await, "bf16");
        let mut other = Stranger::attach(&run.url(), "other", false, "cuda", "1.0").await.unwrap();
        let mut first = Stranger::attach(&run.url(), "first", false, "cpu", "1.0").await.unwrap();
        assert_eq!(first.precision().await, "fp32");
        first.prepare().await;
        // From here on it is known what the run computes in, and on.
        let mut next = loop {
            let mut next = Stranger::attach(&run.url(), "next", true, "cpu", "1.0").await.unwrap();
            if next.precision().await == "fp32" {
                break next;
            }
        };
        next.prepare().await;
        late.prepare().await;
        let refusal = late.refusal().await;
        assert_eq!(refusal.code(), Code::Unavailable, "it may come again: {refusal:?}");
        other.prepare().await;
        let refusal = other.refusal().await;
        assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal:?}");
        let refusal = Stranger::attach(&run.url(), "third", false, "cuda", "1.0").await.err().unwrap();
        assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal:?}");
        assert!(timeout(Duration::from_millis(100), next.refusal()).await.is_err(), "it takes part");
    });
}

#[test]
fn a_worker_without_units_for_bf16_that_was_asked_for_is_told_of() {
    let directory = scratch();
    let runtime = Runtime::new().unwrap();
    let flags = small().workers(3).with(&["--precision", "bf16"]);
    let mut run = Coordinator::start(&directory.path().join("run"), &flags);
    runtime.block_on(async {
        for (name, bf16) in [("with", true), ("without", false)] {
            let mut stranger = Stranger::attach(&run.url(), name, bf16, "cpu", "1.0").await.unwrap();
            assert_eq!(stranger.precision().await, "bf16");
            stranger.prepare().await;
            // Until it was dealt with.
            assert!(timeout(Duration::from_millis(300), stranger.refusal()).await.is_err());
        }
    });
    run.wait_for("without has no matrix units for bf16");
    run.terminate();
    let ended = run.wait();
    assert!(!ended.log.contains("with has no matrix units"), "{}", ended.log);
}

#[test]
fn a_worker_prepares_anew_where_the_precision_was_decided_otherwise() {
    let directory = scratch();
    let runtime = Runtime::new().unwrap();
    let undisturbed = directory.path().join("undisturbed");
    let _ = Coordinator::run(&undisturbed, 1, &small()).well();
    let (precision, opposite) = chosen(&undisturbed);
    let run_dir = directory.path().join("run");
    let flags = small().workers(2).with(&["--allow-mixed"]);
    let mut run = Coordinator::start(&run_dir, &flags);
    let worker = Worker::start(&run, "w", &[]);
    // It is prepared, and waits for another.
    run.wait_for(&format!("precision {precision}"));
    let stranger = |run: &Coordinator, libtorch: &str| {
        runtime.block_on(Stranger::attach(&run.url(), "stranger", opposite, "cpu", libtorch))
    };
    let refusal = stranger(&run, "1.0").err().unwrap();
    let (_, after) = refusal.message().split_once("and w with ").unwrap();
    let libtorch = after.split(':').next().unwrap().to_owned();
    worker.signal(Signal::SIGSTOP);
    let mut run = run.killed_and_restarted(&flags, || {});
    // Nothing was saved, so who is first now decides once more.
    let mut first = stranger(&run, &libtorch).unwrap();
    runtime.block_on(async {
        assert_ne!(first.precision().await, precision);
        first.prepare().await;
    });
    run.wait_for("stranger has ");
    worker.signal(Signal::SIGCONT);
    // It is welcomed in the precision of the first, and ready to train with it.
    run.wait_until(|run| members(run) == 2);
    drop(first);
    // The run goes on in that precision, as workers have prepared for it.
    let second = Worker::start(&run, "v", &[]);
    let ended = run.wait().well();
    assert_same(
        &ended,
        &Coordinator::run(
            &directory.path().join("other"),
            1,
            &small().with(&["--precision", if opposite { "bf16" } else { "fp32" }]),
        )
        .well(),
    );
    let (code, log) = worker.wait();
    assert_eq!(code, 0, "{log}");
    assert!(log.contains("preparing again"), "{log}");
    assert_eq!(second.wait().0, 0);
}
