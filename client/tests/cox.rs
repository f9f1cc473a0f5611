//! The binary as people and scripts run it.

#![allow(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod fake;

use fake::Fake;
use proto::v1::{Epoch, Run, RunState};
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// Runs `cox` against `coordinator`.
fn cox(coordinator: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cox"));
    command.args(arguments).env("COORDINATOR", coordinator).env_remove("http_proxy").env_remove("HTTP_PROXY");
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// An address at which nothing listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn run(state: RunState) -> Run {
    Run {
        id: "r1".to_owned(),
        state: state.into(),
        reason: "as told".to_owned(),
        step: 3,
        steps_per_epoch: 10,
        epochs: vec![Epoch { test_accuracy: 0.5, ..Epoch::default() }],
        config: Some(proto::to_message(&serde_json::json!({"model": "resnet20", "epochs": 2}))),
        ..Run::default()
    }
}

#[test]
fn one_checkpoint_answers_for_all_pictures_unless_it_is_deleted() {
    let folder = TempDir::new().unwrap();
    let names: Vec<String> = [("a", "ok 0"), ("b", "ok 0"), ("c", "newer"), ("d", "ok 0"), ("e", "what")]
        .map(|(name, content)| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .to_vec();
    let fake = Fake::start(vec![run(RunState::Training)]);
    let arguments: Vec<&str> = ["predict", "--json"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let output = cox(&fake.url, &arguments);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let answers: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let checkpoints: Vec<&str> = answers.iter().map(|answer| answer["checkpoint"].as_str().unwrap()).collect();
    assert_eq!(checkpoints, ["step-000010", "step-000010", "step-000011", "step-000011"]);
    let said = stderr(&output);
    let told = format!("step-000010 was deleted meanwhile: from {} on step-000011 answers", names[2]);
    assert_eq!(said.matches("was deleted meanwhile").count(), 1, "{said}");
    assert!(said.contains(&told) && said.contains("/e: neither PNG nor JPEG"), "{said}");
    // One that is asked for by its name is that one or none.
    let output = cox(&fake.url, &["predict", "--checkpoint", "step-000010", &names[0]]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("there is no checkpoint"), "{}", stderr(&output));
}

#[test]
fn the_summary_of_the_articles_network() {
    let output = cox(&nowhere(), &["summary", "resnet18"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("            Conv2d-1           [-1, 64, 32, 32]           1,728\n"), "{text}");
    assert!(text.contains("Total params: 11,173,962\n"), "{text}");
    let json = cox(&nowhere(), &["summary", "resnet18", "--json"]);
    let value: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(value["total_parameters"], 11_173_962);
    assert_eq!(value["layers"][0]["layer"], "Conv2d-1");
}

#[test]
fn a_summary_for_other_images() {
    let output = cox(&nowhere(), &["summary", "resnet18", "--stem", "large", "--side", "224", "--classes", "1000"]);
    let text = stdout(&output);
    assert!(text.contains("         MaxPool2d-4           [-1, 64, 56, 56]               0\n"), "{text}");
    // As many as torchvision's ResNet-18 has.
    assert!(text.contains("Total params: 11,689,512\n"), "{text}");
    let output = cox(&nowhere(), &["summary", "resnet18", "--stem", "large", "--side", "32"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("takes 33 and more"), "{}", stderr(&output));
    let output = cox(&nowhere(), &["summary", "resnet18", "--stem", "huge"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("it is small or large"), "{}", stderr(&output));
}

#[test]
fn an_unknown_model() {
    let output = cox(&nowhere(), &["summary", "resnet-18"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("did you mean resnet18?"), "{}", stderr(&output));
}

#[test]
fn wrong_usage() {
    for arguments in [&["predict"][..], &["steer"], &["--coordinator", "https://h:1", "status"]] {
        assert_eq!(cox(&nowhere(), arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn an_unreachable_coordinator() {
    let url = nowhere();
    for arguments in [&["status"][..], &["watch"], &["predict", "a.png"]] {
        let output = cox(&url, arguments);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        assert_eq!(
            stderr(&output),
            format!(
                "cox: cannot reach the coordinator at {url}: connection refused; is it running? \
                 Give its address with --coordinator or COORDINATOR\n"
            )
        );
    }
}

#[test]
fn what_answers_is_no_coordinator() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            // To close with something unread would reset the connection, perhaps before the answer was seen.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    let output = cox(&url, &["status"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        stderr(&output).starts_with(&format!("cox: cannot reach the coordinator at {url}: what answers there ")),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_status_of_a_run() {
    let fake = Fake::start(vec![run(RunState::Training)]);
    let output = cox(&fake.url, &["status"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("resnet20 training: as told\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "colours without a terminal: {text}");
    let json = cox(&fake.url, &["--json", "status"]);
    let value: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&value["state"], &value["step"]), (&"training".into(), &3.into()));
}

#[test]
fn watching_until_the_end() {
    let mut later = run(RunState::Training);
    later.step = 4;
    let mut last = run(RunState::Finished);
    last.epochs.push(Epoch { epoch: 1, test_accuracy: 0.75, ..Epoch::default() });
    let fake = Fake::start(vec![run(RunState::Training), later, last]);
    let output = cox(&fake.url, &["watch"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let starts =
        ["Epoch [  1/  2]", "training  epoch 1/2  step 3/10", "training  epoch 1/2  step 4/10", "Epoch [  2/  2]"];
    for (line, start) in text.lines().zip(starts) {
        assert!(line.starts_with(start), "{text}");
    }
    assert_eq!(text.lines().last(), Some("finished  epoch 2/2  step 10/10  as told"));
    let json = cox(&fake.url, &["watch", "--json"]);
    assert_eq!(stdout(&json).lines().count(), 3);
}

#[test]
fn watching_a_run_that_fails() {
    let fake = Fake::start(vec![run(RunState::Training), run(RunState::Failed)]);
    let output = cox(&fake.url, &["watch"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "cox: the run failed: as told\n");
}

#[test]
fn stopping_a_run() {
    let fake = Fake::start(vec![run(RunState::Training)]);
    let output = cox(&fake.url, &["stop", "--reason", "enough"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "stopped: enough (epoch 1, step 3 of 10)\n");
    let fake = Fake::start(vec![run(RunState::Finished)]);
    let output = cox(&fake.url, &["stop"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("the run is over already"), "{}", stderr(&output));
}

#[test]
fn a_stream_that_breaks_is_opened_again() {
    // The fake ends each stream after its views, the second time with the end of the run.
    let fake = Fake::start(vec![run(RunState::Training)]).then(vec![run(RunState::Stopped)]);
    let output = cox(&fake.url, &["watch"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("hung up before the run was over"), "{}", stderr(&output));
    assert!(stderr(&output).contains("next attempt in 0.5s"), "{}", stderr(&output));
    assert!(stdout(&output).lines().last().unwrap().starts_with("stopped"), "{}", stdout(&output));
}

#[test]
fn patience_with_an_absent_coordinator_ends() {
    let fake = Fake::start(vec![run(RunState::Training)]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_cox"));
    command.args(["watch", "--patience", "600ms", "--coordinator", &fake.url]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(fake);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).lines().last().unwrap().ends_with("or COORDINATOR"), "{}", stderr(&output));
}

#[test]
fn predictions_in_the_order_given_whatever_is_among_them() {
    let fake = Fake::start(Vec::new());
    let folder = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // The fake takes as many milliseconds as its number says, so that later ones are done first.
    let mut images: Vec<String> =
        (0..20).map(|n| write(&format!("{n}.png"), format!("ok {}", 200 - 10 * n).as_bytes())).collect();
    images.insert(3, write("pixels.bin", &[7; 3072]));
    images.insert(5, write("text.png", b"not an image"));
    images.insert(6, folder.path().join("absent.png").to_str().unwrap().to_owned());
    let mut arguments = vec!["predict", "--json"];
    arguments.extend(images.iter().map(String::as_str));
    let output = cox(&fake.url, &arguments);
    assert_eq!(output.status.code(), Some(4));
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered: Vec<&str> = lines.iter().map(|line| line["image"].as_str().unwrap()).collect();
    let good: Vec<&String> =
        images.iter().enumerate().filter(|(n, _)| ![5, 6].contains(n)).map(|(_, image)| image).collect();
    assert_eq!(answered, good);
    assert_eq!(lines[0]["class"], "cat");
    assert_eq!(lines[3]["class"], "dog", "raw pixels go as they are");
    assert_eq!(lines[0]["probabilities"]["dog"], 0.25);
    let errors = stderr(&output);
    assert!(errors.contains("text.png: neither PNG nor JPEG\n"), "{errors}");
    assert!(errors.contains("absent.png: there is no such file\n"), "{errors}");
    assert!(errors.ends_with("cox: 2 of 23 images have no prediction, see above\n"), "{errors}");
}

#[test]
fn a_busy_coordinator_is_asked_again() {
    let fake = Fake::start(Vec::new());
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("busy.png");
    fs::write(&path, b"busy").unwrap();
    let output = cox(&fake.url, &["predict", "--top", "1", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stdout(&output).contains(": cat (by step-000010, 81.20 % of the test set)\n  cat  "),
        "{}",
        stdout(&output)
    );
}

#[test]
fn no_checkpoint_yet() {
    let fake = Fake::start(Vec::new());
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("early.png");
    fs::write(&path, b"early").unwrap();
    let output = cox(&fake.url, &["predict", path.to_str().unwrap(), path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        stderr(&output),
        format!(
            "cox: the coordinator at {} cannot answer yet: there is no checkpoint yet; try again later\n",
            fake.url
        )
    );
}

#[test]
fn a_picture_from_the_web() {
    let fake = Fake::start(Vec::new());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            let answer: &[u8] = if request[..length].starts_with(b"GET /cat.png ") {
                b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok 0"
            } else {
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
            };
            let _ = stream.write_all(answer);
        }
    });
    let good = cox(&fake.url, &["predict", &format!("{host}/cat.png")]);
    assert!(good.status.success(), "{}", stderr(&good));
    let bad = cox(&fake.url, &["predict", &format!("{host}/dog.png")]);
    assert_eq!(bad.status.code(), Some(4));
    assert_eq!(stderr(&bad), format!("cox: {host}/dog.png: the server answers 404; check the address\n"));
}

#[test]
fn a_history_comes_page_by_page() {
    let epoch = |epoch| Epoch { epoch, test_accuracy: 0.25 * f64::from(epoch), ..Epoch::default() };
    let fake = Fake::start(vec![Run { epochs: (0..3).map(epoch).collect(), ..run(RunState::Training) }]);
    let json = cox(&fake.url, &["history", "--json"]);
    let value: Value = serde_json::from_slice(&json.stdout).unwrap();
    let epochs: Vec<u64> = value.as_array().unwrap().iter().map(|epoch| epoch["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, [0, 1, 2]);
    let text = stdout(&cox(&fake.url, &["history", "--tail", "1"]));
    assert!(text.lines().count() == 2 && text.trim_end().ends_with("best"), "{text}");
    assert!(!text.contains('\u{1b}'), "no terminal, no colours: {text}");
    let csv = stdout(&cox(&fake.url, &["history", "--csv"]));
    assert_eq!(csv.lines().count(), 4, "{csv}");
}

#[test]
fn a_requirement_that_is_not_met_has_a_code_of_its_own() {
    let fake = Fake::start(vec![run(RunState::Finished)]);
    for command in ["status", "history", "watch"] {
        let met = cox(&fake.url, &[command, "--require", "test_accuracy>=0.5", "--require", "epochs_done=1"]);
        assert_eq!(met.status.code(), Some(0), "{}", stderr(&met));
        let unmet = cox(&fake.url, &[command, "--require", "test_accuracy>0.5"]);
        assert_eq!(unmet.status.code(), Some(5), "{}", stderr(&unmet));
        assert!(stderr(&unmet).contains("test_accuracy>0.5: test_accuracy is 0.5"), "{}", stderr(&unmet));
        let weights = cox(&fake.url, &[command, "--expect-sha256", &"0".repeat(64)]);
        assert_eq!(weights.status.code(), Some(5), "{}", stderr(&weights));
    }
    let wrong = cox(&fake.url, &["status", "--require", "accuracy>0.5"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", stderr(&wrong));
}

#[test]
fn what_comes_too_late_is_told_in_the_coordinators_words() {
    let fake = Fake::start(vec![run(RunState::Finished)]);
    for command in ["pause", "resume", "checkpoint"] {
        let output = cox(&fake.url, &[command]);
        assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
        assert!(stderr(&output).contains("the run is over already"), "{}", stderr(&output));
    }
    let output = cox(&nowhere(), &["compare", "/nowhere", "nothing at all"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let output = cox(&nowhere(), &["query", "--run-dir", "/nowhere", "--sql", "SELECT 1"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
}

#[test]
fn a_shell_that_closes_the_pipe_hears_nothing() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cox"))
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}
