//! A run within a TrainJob of Kubeflow Trainer tells the controller how far it is, over HTTPS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use system_tests::{Coordinator, TestRun, python, scratch};

/// A controller, which ends when dropped.
struct Controller {
    child: Child,
    port: u16,
    told: mpsc::Receiver<Value>,
}

fn certificates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tls")
}

impl Controller {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/status_server.py");
        let mut command = Command::new(python());
        command.arg(script).arg(certificates().join("server.pem")).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.next().unwrap().parse().unwrap();
        let (sender, told) = mpsc::channel();
        thread::spawn(move || {
            for line in lines {
                // The test may be over.
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, port, told }
    }

    /// All that it was told until now.
    fn all(&mut self) -> Vec<Value> {
        // It tells of a request before it answers.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.told.iter().collect()
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // If it has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A small run, whose controller has the certificates of `authority`.
fn run(controller: &Controller, directory: &Path, authority: &str) -> system_tests::Ended {
    let token = directory.join("token");
    fs::write(&token, "secret-1\n").unwrap();
    let url = format!("https://127.0.0.1:{}/apis/trainjobs/one/status", controller.port);
    let authority = certificates().join(authority);
    let variables = [
        ("KUBEFLOW_TRAINER_STATUS_URL", url.as_str()),
        ("KUBEFLOW_TRAINER_STATUS_TOKEN", token.to_str().unwrap()),
        ("KUBEFLOW_TRAINER_STATUS_CA_CERT", authority.to_str().unwrap()),
    ];
    let flags = TestRun::small().images(128, 100).epochs(2).local(1);
    Coordinator::start_within(&variables, &directory.join("run"), &flags).wait().well()
}

#[test]
fn a_controller_is_told_how_far_a_run_is_and_its_end() {
    let (mut controller, directory) = (Controller::start(), scratch());
    let ended = run(&controller, directory.path(), "ca.crt");
    let told: Vec<Value> = controller.all();
    let status = |told: &Value| told["body"]["trainerStatus"].clone();
    let first = status(told.first().expect("the beginning is told"));
    assert!(first["progressPercentage"].as_u64().unwrap() < 100, "{first}");
    for told in &told {
        assert_eq!(
            (&told["path"], &told["authorization"]),
            (&"/apis/trainjobs/one/status".into(), &"Bearer secret-1".into())
        );
        assert!(told["body"]["trainerStatus"]["lastUpdatedTime"].as_str().unwrap().ends_with('Z'), "{told}");
    }
    // The end was refused once, and told again.
    let ends: Vec<&Value> = told.iter().filter(|told| status(told)["progressPercentage"] == 100).collect();
    assert_eq!(ends.iter().map(|told| &told["status"]).collect::<Vec<_>>(), [&503, &200], "{}", ended.log);
    let last = status(ends[1]);
    assert_eq!(last["estimatedRemainingSeconds"], 0);
    let metrics = last["metrics"].as_array().unwrap();
    assert!(metrics.iter().any(|metric| metric["name"] == "eval_accuracy" && metric["value"].is_string()), "{last}");
}

#[test]
fn a_controller_that_is_another_is_told_nothing_and_stops_no_run() {
    let (mut controller, directory) = (Controller::start(), scratch());
    let begun = Instant::now();
    let ended = run(&controller, directory.path(), "other.crt");
    assert!(begun.elapsed() < Duration::from_secs(90), "nobody waits for it");
    assert_eq!(controller.all().len(), 0, "not even the token");
    assert!(ended.log.contains("Kubeflow does not take the progress of the run"), "{}", ended.log);
}
