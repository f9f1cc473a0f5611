//! What the programs say, whatever is at the other end of their standard streams, and whatever strangers have said.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto::v1::{Failed, Hello, Leaving, Report, cluster_client::ClusterClient, report::Report as Up};
use serde_json::Value;
use std::{
    fs::{self, OpenOptions},
    io::pipe,
    process::{Command, Stdio},
};
use system_tests::{Coordinator, TestRun, Worker, binary, data_dir, runs, scratch};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;

fn small() -> TestRun<'static> {
    TestRun::small().images(128, 100).epochs(1)
}

/// Ways in which a standard stream takes nothing.
fn deaf() -> [(&'static str, Stdio); 2] {
    let (_, gone) = pipe().unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    [("its reader is gone", gone.into()), ("it is full", full.into())]
}

/// The exit codes of a command whose output, and whose errors, nobody hears: with a reader that is gone, with a full
/// disk, and closed.
fn unheard(program: &str, flags: &[&str]) -> Vec<(String, i32)> {
    let mut codes = Vec::new();
    let run = |command: &mut Command| command.stdin(Stdio::null()).status().unwrap().code().unwrap_or(-1);
    for (how, stream) in deaf() {
        let mut command = Command::new(binary(program));
        codes.push((format!("standard output: {how}"), run(command.args(flags).stdout(stream).stderr(Stdio::null()))));
    }
    for (how, stream) in deaf() {
        let mut command = Command::new(binary(program));
        codes.push((format!("standard error: {how}"), run(command.args(flags).stdout(Stdio::null()).stderr(stream))));
    }
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" >&- 2>&-", "sh"]).arg(binary(program)).args(flags);
    codes.push(("both closed".to_owned(), run(&mut command)));
    codes
}

#[test]
fn nobody_panics_where_nobody_hears() {
    // What is said on standard error. That nobody hears it changes nothing.
    let errors: [(&str, &[&str], i32); 8] = [
        ("coordinator", &["--batch-size", "0"], 2),
        ("coordinator", &["--batch-size", "0", "--log-format", "json"], 2),
        ("coordinator", &["--no-such-flag"], 2),
        ("worker", &["--cpu", "--coordinator", "127.0.0.1:9", "--give-up-after", "0s"], 3),
        ("worker", &["--no-such-flag"], 2),
        ("worker", &["--gpu", "99"], 5),
        ("cox", &["--coordinator", "127.0.0.1:9", "status"], 3),
        ("cox", &["--no-such-flag"], 2),
    ];
    for (program, flags, code) in errors {
        for (how, found) in unheard(program, flags) {
            assert_eq!(found, code, "{program} {flags:?}, {how}");
        }
    }
    // What is said on standard output. A full disk is a failure; a reader that is gone wants no more.
    for (program, flags) in
        [("coordinator", "--explain-timeouts"), ("coordinator", "--help"), ("worker", "--version"), ("cox", "--help")]
    {
        for (how, found) in unheard(program, &[flags]) {
            assert_eq!(found, i32::from(how == "standard output: it is full"), "{program} {flags}, {how}");
        }
    }
}

fn objects(log: &str) -> Vec<Value> {
    let object = |line: &str| match serde_json::from_str(line) {
        Ok(value @ Value::Object(_)) => value,
        other => panic!("{other:?}: {line}"),
    };
    log.lines().map(object).collect()
}

#[test]
fn every_line_is_json_where_json_is_wanted() {
    let directory = scratch();
    let flags = small().local(2).with(&["--log-format", "json"]);
    // `info`, for local workers too. The harness looks for the address in a line.
    let output = Command::new(binary("coordinator"))
        .args(["--listen", "127.0.0.1:0", "--run-dir"])
        .arg(directory.path())
        .arg("--data-dir")
        .arg(data_dir())
        .args(&*flags)
        .env("RUST_LOG", "info")
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{log}");
    let lines = objects(&log);
    let says = |words: &str| {
        lines.iter().any(|line| line["fields"]["message"].as_str().is_some_and(|said| said.contains(words)))
    };
    assert!(says("listening on") && says("as local-1: resnet20"), "{log}");
    // A generation's first line is its own, and says where it was.
    let mut generations = 0;
    for line in &lines {
        let told = line["fields"]["message"].as_str().unwrap_or_default();
        let Some((number, _)) = told.strip_prefix("generation ").and_then(|rest| rest.split_once(" of ")) else {
            continue;
        };
        let spans = line["spans"].as_array().unwrap_or_else(|| panic!("{line}"));
        let within: Vec<String> = spans
            .iter()
            .filter(|span| span["name"] == "generation")
            .map(|span| span["generation"].to_string())
            .collect();
        assert_eq!(within, [number], "{line}");
        generations += 1;
    }
    assert!(generations > 0, "{log}");

    // The same directory with another configuration.
    let directory = directory.path().to_str().unwrap();
    let wrong = ["--listen", "127.0.0.1:0", "--run-dir", directory, "--log-format", "json", "--seed", "7"];
    let output = Command::new(binary("coordinator")).args(wrong).arg("--data-dir").arg(data_dir()).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let lines = objects(&log);
    let last = lines.last().unwrap();
    assert_eq!((output.status.code(), &last["level"]), (Some(4), &"ERROR".into()), "{log}");
    assert!(last["fields"]["message"].as_str().unwrap().contains("holds a run with another configuration"), "{log}");

    let worker = ["--cpu", "--coordinator", "127.0.0.1:9", "--give-up-after", "1s", "--log-format", "json"];
    let output = Command::new(binary("worker")).args(worker).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(objects(&log).last().unwrap()["fields"]["message"].as_str().unwrap().contains("no coordinator"), "{log}");
}

/// Clears the screen, sets the title, forges a line, and turns the direction of writing round.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\r\ncoordinator: all is well\u{202e}\u{9b}31m";

fn assert_harmless(text: &str) {
    let harmful = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
    assert!(!text.contains(harmful), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("coordinator: all is well")), "{text}");
    assert!(text.lines().all(|line| line.len() < 20_000), "{} bytes", text.len());
}

#[test]
fn words_of_strangers_are_shown_as_words() {
    let directory = scratch();
    let run = Coordinator::start(directory.path(), &small());
    let runtime = Runtime::new().unwrap();
    let evil = || EVIL.repeat(1000);
    let (reports, _orders) = runtime.block_on(async {
        let mut client = ClusterClient::connect(run.url()).await.unwrap();
        // A host that is no address is refused, in words that are harmless themselves.
        let hello = Hello { version: proto::VERSION.to_owned(), name: evil(), host: evil(), ..Hello::default() };
        let (reports, up) = mpsc::channel(4);
        reports.send(Report { report: Some(Up::Hello(hello)) }).await.unwrap();
        let refused = client.attach(ReceiverStream::new(up)).await.unwrap_err();
        assert!(refused.message().contains("its address"), "{refused}");
        assert_harmless(refused.message());
        let (reports, up) = mpsc::channel(4);
        let hello = Hello {
            version: proto::VERSION.to_owned(),
            name: evil(),
            device: evil(),
            device_name: evil(),
            // Others are told to connect to it: one that is no address is refused.
            host: "127.0.0.1".to_owned(),
            ..Hello::default()
        };
        reports.send(Report { report: Some(Up::Hello(hello)) }).await.unwrap();
        let orders = client.attach(ReceiverStream::new(up)).await.unwrap().into_inner();
        let failed = Up::Failed(Failed { message: evil(), ..Failed::default() });
        for report in [failed, Up::Leaving(Leaving { reason: evil() })] {
            reports.send(Report { report: Some(report) }).await.unwrap();
        }
        (reports, orders)
    });
    let cox = |flags: &[&str]| {
        let output = Command::new(binary("cox")).args(["--coordinator", run.address()]).args(flags).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let status = cox(&["status"]);
    assert!(status.contains("\\u{1b}[2J"), "{status}");
    assert_harmless(&status);
    assert_harmless(&cox(&["stop", "--reason", &EVIL.repeat(100)]));
    drop(reports);
    let ended = run.wait().well();
    assert_harmless(&ended.log);
    assert!(ended.log.contains("\\u{1b}[2J"), "{}", ended.log);
    assert_harmless(ended.summary()["reason"].as_str().unwrap());
}

#[test]
fn a_name_is_no_way_out_of_a_directory() {
    let directory = scratch();
    let flags = small().workers(1);
    let run = Coordinator::start(&directory.path().join("run"), &flags);
    // Two steps up from here is still this test's.
    let (data, traces) = (data_dir(), directory.path().join("a/b"));
    let flags = ["--data-dir", data.to_str().unwrap(), "--profile", traces.to_str().unwrap()];
    let worker = Worker::start(&run, "../../out", &flags);
    let ended = run.wait().well();
    let (code, log) = worker.wait();
    assert_eq!(code, 0, "{log}");
    assert!(!directory.path().join("out.json").exists());
    let written: Vec<_> = fs::read_dir(&traces).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(written.len() == 1 && written[0].to_string_lossy().ends_with(".json"), "{written:?}\n{}", ended.log);
}

/// Local workers speak through the coordinator. One that is killed is heard no more, and that is no harm to them.
#[test]
fn a_worker_that_nobody_listens_to_goes_on() {
    let directory = scratch();
    let variables = [("COXSWAIN_FAULT", "*@*:0:1:slow=300"), ("COXSWAIN_GIVE_UP_AFTER", "1m"), ("RUST_LOG", "debug")];
    let flags = small().local(2);
    let mut run = Coordinator::start_within(&variables, directory.path(), &flags);
    run.wait_until(|run| run.step >= 1);
    let workers = ["local-0", "local-1"].map(|name| run.worker(name));
    let run = run.killed_and_restarted(&flags, || std::thread::sleep(std::time::Duration::from_millis(700)));
    assert_eq!(workers.map(runs), [true; 2]);
    let _ = run.wait().well();
}
