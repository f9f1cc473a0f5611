//! A job that trains, asked by the clients that people have: Triton's over gRPC and HTTP, and Prometheus'.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
};
use system_tests::{Coordinator, TestRun, binary, pace, python, scratch, test_pictures};

const IMAGES: usize = 6;

/// What a script in clients/ prints.
fn client(script: &str, arguments: &[&str]) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(script);
    let output = Command::new(python()).arg(path).args(arguments).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `cox predict` says of `files`, by one checkpoint.
fn cox(url: &str, checkpoint: &str, files: &[PathBuf]) -> Vec<Value> {
    let mut command = Command::new(binary("cox"));
    command.args(["--coordinator", url, "--json", "predict", "--checkpoint", checkpoint]).args(files);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn triton_and_prometheus_find_what_they_expect_while_it_trains() {
    let directory = scratch();
    let files = test_pictures(directory.path(), IMAGES);
    let run = TestRun::small().local(1).endless().with(&["--precision", "fp32", "--keep", "100"]);
    // A checkpoint that has answered is kept until cox has asked it too.
    let mut coordinator = Coordinator::start_failing(&directory.path().join("run"), &run, &[pace(50)]);
    let page = coordinator.page();
    let http = page.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    coordinator.wait_until(|run| run.epochs.len() >= 2 && !run.checkpoint.is_empty());

    let mut arguments = vec![coordinator.address(), http.as_str()];
    arguments.extend(files.iter().map(|file| file.to_str().unwrap()));
    let said = client("triton.py", &arguments);
    for (name, answer) in said["answers"].as_object().unwrap() {
        // By the version that has answered, in the words of cox.
        let checkpoint = format!("step-{:0>8}", answer["version"].as_str().unwrap());
        let wanted = cox(&coordinator.url(), &checkpoint, &files);
        for (index, wanted) in wanted.iter().enumerate() {
            assert_eq!(answer["classes"][index], wanted["class"], "{name}");
            let probabilities = wanted["probabilities"].as_object().unwrap().values();
            for (got, wanted) in answer["probabilities"][index].as_array().unwrap().iter().zip(probabilities) {
                assert_eq!(got.as_f64().unwrap() as f32, wanted.as_f64().unwrap() as f32, "{name}: {index}");
            }
        }
    }
    assert_eq!(said["answers"].as_object().unwrap().len(), 7);
    for name in ["grpc", "http"] {
        let told = &said["told"][name];
        assert_eq!(told["shape"], json!([-1, 3, 32, 32]));
        let has = |what: &str, words: &str| {
            let said = told[what].as_str().unwrap();
            assert!(said.contains(words), "{name}: {what}: {said}");
        };
        has("no picture", "PNG");
        has("no model", "there is no model \"resnet7\"");
        has("no version", "there is no version 999999");
    }

    let samples = client("scrape.py", &[&format!("{page}metrics")]);
    let number = |name: &str| samples[name].as_str().unwrap_or_else(|| panic!("no {name}")).parse::<f64>().unwrap();
    assert!(number("coxswain_epochs_total") >= 2.0 && number("coxswain_images_per_second") >= 0.0);
    assert!((0.0..=1.0).contains(&number("coxswain_test_accuracy_ratio")));
    assert_eq!(number("coxswain_run_info"), 1.0);
    coordinator.assert_goes_on();
    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);
}
