//! Bad input ends in one clear message and an exit code of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto::v1::{Hello, Prepared, Report, cluster_client::ClusterClient, report::Report as Up};
use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::fs::symlink,
    process::Command,
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};
use system_tests::{Coordinator, binary, data_dir, scratch};
use tokio::{runtime::Runtime, sync::mpsc::Sender};
use tonic::Status;

fn coordinator_fails(code: i32, says: &[&str], flags: &[&str]) {
    let directory = scratch();
    let ended = Coordinator::fails(&directory.path().join("run"), flags);
    assert_eq!(ended.code, code, "{flags:?}: {}", ended.log);
    for words in says {
        assert!(ended.log.contains(words), "{flags:?}: {words:?} is not in {}", ended.log);
    }
    let messages = ended.log.lines().filter(|line| line.starts_with("coordinator: ")).count();
    assert_eq!(messages, 1, "{}", ended.log);
}

fn worker(flags: &[&str]) -> (i32, String) {
    let output = Command::new(binary("worker")).args(flags).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn impossible_flags() {
    coordinator_fails(2, &["--batch-size 0 is impossible"], &["--batch-size", "0"]);
    coordinator_fails(2, &["--shards 200 is impossible", "128 samples"], &["--shards", "200"]);
    coordinator_fails(2, &["no model \"resnet-20\"", "did you mean resnet20?"], &["--model", "resnet-20"]);
    coordinator_fails(2, &["--plateau-factor 1 is impossible"], &["--plateau-factor", "1"]);
    coordinator_fails(2, &["--workers 0 is impossible"], &["--workers", "0"]);
    let more = ["--workers", "2", "--min-workers", "3"];
    coordinator_fails(2, &["--min-workers 3 is impossible", "raise --workers"], &more);
    coordinator_fails(2, &["--lr inf is impossible", "a number"], &["--lr", "inf"]);
    coordinator_fails(2, &["--threads 4294967295 is impossible", "1024"], &["--threads", "4294967295"]);
    let rises = ["--schedule", "multistep", "--milestones", "1,1", "--gamma", "1e308"];
    coordinator_fails(2, &["--gamma", "would become inf"], &rises);
    let falls = ["--schedule", "multistep", "--milestones", "1,2", "--gamma", "1e-300"];
    coordinator_fails(2, &["--gamma", "would become 0"], &falls);
    coordinator_fails(2, &["/dev/zero", "longer than"], &["--config", "/dev/zero"]);
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = scratch();
    // The harness names a free port first; clap takes the last.
    let output = Command::new(binary("coordinator"))
        .args(["--listen", &address, "--run-dir"])
        .arg(directory.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains(&format!("cannot listen on {address}")) && message.contains("--listen"), "{message}");
}

#[test]
fn a_data_set_that_is_not_whole() {
    let source = importers::cifar10::files_in(&data_dir());
    let broken = |change: &dyn Fn(&std::path::Path)| {
        let directory = scratch();
        for file in fs::read_dir(&source).unwrap() {
            let file = file.unwrap();
            symlink(file.path(), directory.path().join(file.file_name())).unwrap();
        }
        let target = directory.path().join("data_batch_3.bin");
        let content = fs::read(&target).unwrap();
        fs::remove_file(&target).unwrap();
        fs::write(&target, content).unwrap();
        change(&target);
        let output = Command::new(binary("coordinator"))
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory.path())
            .arg("--run-dir")
            .arg(directory.path().join("run"))
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(6), "{message}");
        assert!(message.contains("data_batch_3.bin"), "{message}");
        message.lines().find(|line| line.starts_with("coordinator: ")).unwrap().to_owned()
    };
    let missing = broken(&|file| fs::remove_file(file).unwrap());
    let short = broken(&|file| fs::File::options().write(true).open(file).unwrap().set_len(5000).unwrap());
    let altered = broken(&|file| {
        let mut content = fs::read(file).unwrap();
        content[12_345] ^= 1;
        fs::write(file, content).unwrap();
    });
    assert!(missing != short && short != altered && altered != missing);
}

#[test]
fn a_worker_without_a_coordinator_looks_for_it_and_says_so() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let (code, log) = worker(&["--cpu", "--coordinator", &url, "--give-up-after", "1s"]);
    assert_eq!(code, 3, "{log}");
    assert!(log.contains("trying again in 0.2 s") && log.contains("trying again in 0.4 s"), "{log}");
    assert!(log.contains(&format!("no coordinator at {url}")), "{log}");
}

/// What takes the connection is no coordinator for that: one that says nothing, and one that says something else.
#[test]
fn a_worker_at_what_is_no_coordinator_gives_up_as_well() {
    for answer in [None, Some("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = answer.map(|answer| stream.write_all(answer.as_bytes()));
                open.push(stream);
            }
        });
        let start = Instant::now();
        let (code, log) = worker(&["--cpu", "--coordinator", &url, "--give-up-after", "2s"]);
        assert_eq!(code, 3, "{log}");
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}: {log}", start.elapsed());
        let why = if answer.is_none() { "gives no answer" } else { "does not speak gRPC" };
        assert!(log.contains(&format!("no coordinator at {url}")) && log.contains(why), "{log}");
        assert!(log.lines().count() < 12, "not many words: {log}");
    }
}

/// Whoever watches the coordinator learns why a worker that came does not stay.
#[test]
fn why_a_worker_ends_is_told_to_the_coordinator() {
    let directory = scratch();
    let mut coordinator = Coordinator::start(&directory.path().join("run"), &[]);
    let nothing = directory.path().join("nothing");
    fs::create_dir(&nothing).unwrap();
    let flags =
        ["--cpu", "--name", "bare", "--coordinator", &coordinator.url(), "--data-dir", nothing.to_str().unwrap()];
    let (code, log) = worker(&flags);
    assert_eq!(code, 6, "{log}");
    coordinator.wait_for("it ends: the data set cannot be used");
}

#[test]
fn a_worker_on_a_gpu_that_is_not_there() {
    let (code, log) = worker(&["--gpu", "99"]);
    assert_eq!(code, 5, "{log}");
    assert!(log.contains("--gpu 99"), "{log}");
    let (code, log) = worker(&[]);
    assert_eq!(code, 2, "{log}");
}

#[test]
fn a_worker_for_another_model() {
    let directory = scratch();
    let coordinator = Coordinator::start(&directory.path().join("run"), &[]);
    let (code, log) = worker(&["--cpu", "--coordinator", &coordinator.url(), "--model", "resnet18"]);
    assert_eq!(code, 4, "{log}");
    assert!(log.contains("it trains only resnet18, and this run trains resnet20"), "{log}");
}

type Stream = tonic::Streaming<proto::v1::Order>;

/// Says hello to `coordinator`. The sender keeps the stream open.
fn greet(coordinator: &Coordinator, hello: Hello) -> Result<(Stream, Sender<Report>), Status> {
    RUNTIME.block_on(async {
        let mut client = ClusterClient::connect(coordinator.url()).await.unwrap();
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        sender.send(Report { report: Some(Up::Hello(hello)) }).await.unwrap();
        let orders = client.attach(tokio_stream::wrappers::ReceiverStream::new(receiver)).await?;
        Ok((orders.into_inner(), sender))
    })
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

#[test]
fn a_worker_of_another_version() {
    let directory = scratch();
    let coordinator = Coordinator::start(&directory.path().join("run"), &[]);
    let hello = Hello { version: "0.0.1".to_owned(), name: "old".to_owned(), ..Hello::default() };
    let status = greet(&coordinator, hello).unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition);
    assert!(status.message().contains("it is version 0.0.1"), "{}", status.message());
}

#[test]
fn a_worker_with_the_name_of_another() {
    let directory = scratch();
    let coordinator = Coordinator::start(&directory.path().join("run"), &[]);
    let hello = |instance| {
        let (version, name, host) = (proto::VERSION.to_owned(), "twin".to_owned(), "127.0.0.1".to_owned());
        Hello { version, name, host, instance, ..Hello::default() }
    };
    let (mut first, _sender) = greet(&coordinator, hello(1)).unwrap();
    let status = greet(&coordinator, hello(2)).unwrap_err();
    assert_eq!(status.code(), tonic::Code::AlreadyExists);
    assert!(status.message().contains("a worker named twin is attached already"), "{}", status.message());
    // It is the same one: its old stream is dead, and the coordinator has not noticed.
    let _again = greet(&coordinator, hello(1)).unwrap();
    // A welcome, and then nothing more.
    RUNTIME.block_on(async { while first.message().await.is_ok_and(|order| order.is_some()) {} });
    assert_eq!(coordinator.run_state().unwrap().workers.len(), 1);
}

#[test]
fn a_worker_of_another_kind_is_refused_in_words() {
    let hello = |name: &str, kind: &str, libtorch: &str, host: &str| Hello {
        version: proto::VERSION.to_owned(),
        name: name.to_owned(),
        host: host.to_owned(),
        kind: kind.to_owned(),
        libtorch: libtorch.to_owned(),
        ..Hello::default()
    };
    let first = hello("first", "GenuineIntel AVX512 AMX", "2.13.0", "10.0.0.1");
    let others = [
        (hello("b", "AuthenticAMD AVX2", "2.13.0", "10.0.0.2"), "--allow-mixed", false),
        (hello("c", "cuda", "2.13.0", "10.0.0.2"), "a run has GPUs or CPUs, not both", true),
        (hello("d", "GenuineIntel AVX512 AMX", "2.12.0", "10.0.0.2"), "libtorch 2.12.0, and first with 2.13.0", true),
        (hello("e", "GenuineIntel AVX512 AMX", "2.13.0", "fe80::1"), "fe80::1 is IPv6", true),
    ];
    for mixed in [false, true] {
        let directory = scratch();
        let flags: &[&str] = if mixed { &["--allow-mixed"] } else { &[] };
        let flags = [&["--workers", "2"], flags].concat();
        let mut coordinator = Coordinator::start(&directory.path().join("run"), &flags);
        let (_orders, first) = greet(&coordinator, first.clone()).unwrap();
        // From here on its word counts for others.
        let prepared = Up::Prepared(Prepared { stretch_seconds: 0.1, shard_seconds: 0.1 });
        RUNTIME.block_on(first.send(Report { report: Some(prepared) })).unwrap();
        coordinator.wait_until(|run| run.workers.iter().any(|worker| !worker.preparing));
        for (hello, words, always) in &others {
            let answer = greet(&coordinator, hello.clone());
            if mixed && !always {
                assert!(answer.is_ok(), "{words}");
                continue;
            }
            let status = answer.unwrap_err();
            assert_eq!(status.code(), tonic::Code::FailedPrecondition);
            assert!(status.message().contains(words), "{}", status.message());
        }
    }
}
