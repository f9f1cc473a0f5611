//! Variables of the environment: what a launcher left there, or what was meant for another program, contradicts nobody.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;
use system_tests::{Coordinator, TestRun, binary, scratch};

fn small() -> TestRun<'static> {
    TestRun::small().workers(2).images(128, 100).epochs(1)
}

/// How `program` ends with these variables and flags, and what it says.
fn ends(program: &str, variables: &[(&str, &str)], flags: &[&str]) -> (i32, String) {
    let mut command = Command::new(binary(program));
    command.args(flags).envs(variables.iter().copied()).env_remove("COXSWAIN_DATA_DIR");
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn local_workers_inherit_nothing_that_was_meant_for_others() {
    let directory = scratch();
    let variables = [
        ("COXSWAIN_LOCAL", "1"),
        ("COXSWAIN_PROFILE", "yes"),
        ("COXSWAIN_MODEL", "resnet18"),
        ("COXSWAIN_NAME", "twin"),
        ("COXSWAIN_DATA_DIR", "/nowhere"),
        ("COXSWAIN_GPU", "3"),
        ("COORDINATOR", "http://127.0.0.1:9"),
        ("LOCAL_RANK", "0"),
        ("RANK", "1"),
        ("WORLD_SIZE", "2"),
        // As good as not set.
        ("COXSWAIN_EPOCHS", ""),
        ("COXSWAIN_SERVE", ""),
        ("COXSWAIN_CONFIG", ""),
    ];
    let flags = small().with(&["--model", "resnet20"]);
    let ended = Coordinator::start_within(&variables, directory.path(), &flags).wait().well();
    assert_eq!(ended.summary()["model"], "resnet20");
    for worker in ["local-0", "local-1"] {
        assert!(directory.path().join(format!("profile/{worker}.json")).is_file(), "{}", ended.log);
    }
}

#[test]
fn what_is_typed_outweighs_what_a_launcher_left() {
    let nobody = ["--coordinator", "127.0.0.1:9", "--give-up-after", "0s"];
    let worker = |variables: &[(&str, &str)], flags: &[&str]| ends("worker", variables, &[flags, &nobody].concat());
    for rank in ["0", "99", "x", ""] {
        // It looks for its coordinator.
        let (code, said) = worker(&[("LOCAL_RANK", rank)], &["--cpu"]);
        assert_eq!(code, 3, "{rank:?}: {said}");
    }
    // What is not typed is still taken from there.
    let (code, said) = worker(&[("LOCAL_RANK", "99")], &[]);
    assert!(code == 5 && said.contains("--gpu 99"), "{code}: {said}");
    let (code, said) = worker(&[("LOCAL_RANK", "0")], &["--gpu", "98"]);
    assert!(code == 5 && said.contains("--gpu 98"), "{code}: {said}");
    let (code, said) = ends("worker", &[("COORDINATOR", "127.0.0.1:9")], &["--cpu", "--give-up-after", "0s"]);
    assert!(code == 3 && said.contains("http://127.0.0.1:9"), "{code}: {said}");
}

#[test]
fn a_value_that_makes_no_sense_is_refused_with_its_name() {
    let cases: [(&str, &str, &str, &[&str]); 11] = [
        ("coordinator", "COXSWAIN_WORKERS", "many", &[]),
        ("coordinator", "COXSWAIN_EPOCHS", "0", &[]),
        ("coordinator", "COXSWAIN_LOCAL", "perhaps", &[]),
        ("coordinator", "COXSWAIN_LISTEN", "here", &[]),
        ("coordinator", "RUST_LOG", "a=b=c", &["--listen", "127.0.0.1:0"]),
        ("worker", "LOCAL_RANK", "first", &[]),
        ("worker", "COORDINATOR", "https://node:1", &["--cpu"]),
        ("worker", "COXSWAIN_FAULT", "explode", &["--cpu"]),
        ("worker", "RUST_LOG", "a=b=c", &["--cpu"]),
        ("cox", "COORDINATOR", "a b", &["status"]),
        ("cox", "COXSWAIN_JSON", "perhaps", &["status"]),
    ];
    for (program, name, value, flags) in cases {
        let (code, said) = ends(program, &[(name, value)], flags);
        assert_eq!(code, 2, "{program} {name}={value}: {said}");
        assert!(said.starts_with(&format!("{program}: the variable {name}: ")), "{said}");
    }
}

#[test]
fn yes_is_said_in_many_ways() {
    // Wrong usage alone, so that nothing begins.
    let local = |value: &str| ends("coordinator", &[("COXSWAIN_EXPLAIN_TIMEOUTS", value)], &["--batch-size", "0"]);
    for yes in ["1", "true", "yes", "on", "True", "ON"] {
        let (code, said) = local(yes);
        assert!(code == 0 && said.contains("--failure-timeout"), "{yes}: {said}");
    }
    for no in ["0", "false", "no", "off", "False", "OFF", ""] {
        let (code, said) = local(no);
        assert!(code == 2 && said.contains("--batch-size 0 is impossible"), "{no}: {said}");
    }
}
