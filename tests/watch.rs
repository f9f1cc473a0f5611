//! A run as a watcher sees it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use system_tests::{Coordinator, binary, scratch};

#[test]
fn however_seldom_a_watcher_looks_it_sees_the_end() {
    let directory = scratch();
    // No worker comes: a stop ends the run at once.
    let coordinator = Coordinator::start(&directory.path().join("run"), &[]);
    let mut command = Command::new(binary("cox"));
    command.args(["--coordinator", &coordinator.url(), "--json", "watch", "--interval", "1h"]);
    let mut watcher = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watcher.stdout.take().unwrap()).lines();
    let mut state = || {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        line["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(), "waiting");
    let begin = Instant::now();
    coordinator.terminate();
    assert_eq!(state(), "stopped");
    assert!(watcher.wait().unwrap().success());
    assert!(begin.elapsed() < Duration::from_mins(1), "the end was seen after {:?}", begin.elapsed());
    assert_eq!(coordinator.wait().code, 0);
}
