//! Other data sets than CIFAR-10, through the whole system: CIFAR-100's format, with files that the test makes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto::v1::{PredictRequest, inference_client::InferenceClient, predict_request::Image};
use serde_json::json;
use std::{fs, ops::Range, path::Path};
use system_tests::{Coordinator, Ended, Worker, scratch};

const IMAGE: usize = 3 * 32 * 32;
const TRAIN: Range<usize> = 0..400;
const TEST: Range<usize> = 400..500;

/// Record `index`: its coarse label, its fine label, and an image of a brightness of its own for each coarse label.
fn record(index: usize) -> Vec<u8> {
    let coarse = index % 20;
    let image = (0..IMAGE).map(|at| (12 * coarse + at % 7) as u8);
    [coarse as u8, (index % 100) as u8].into_iter().chain(image).collect()
}

fn write(directory: &Path) {
    let names = |what: &str, count: usize| (0..count).map(|n| format!("{what} {n}")).collect::<Vec<_>>().join("\n");
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("train.bin"), TRAIN.flat_map(record).collect::<Vec<u8>>()).unwrap();
    fs::write(directory.join("test.bin"), TEST.flat_map(record).collect::<Vec<u8>>()).unwrap();
    fs::write(directory.join("fine_label_names.txt"), names("kind", 100)).unwrap();
    fs::write(directory.join("coarse_label_names.txt"), names("family", 20)).unwrap();
}

const RUN: [&str; 10] =
    ["--batch-size", "50", "--lr", "0.05", "--precision", "fp32", "--shards", "2", "--augment", "crop:2,flip"];

/// A run of `epochs` epochs with `workers` that have no data set of their own.
fn run(directory: &Path, name: &str, dataset: &str, epochs: &str, workers: usize) -> Ended {
    let (data, cache) = (directory.join("data"), directory.join("cache"));
    let count = workers.to_string();
    let flags = ["--dataset", dataset, "--data-dir", data.to_str().unwrap(), "--epochs", epochs, "--workers", &count];
    let coordinator = Coordinator::start(&directory.join(name), &[&flags[..], &RUN].concat());
    let start = |index| Worker::start(&coordinator, &format!("w{index}"), &["--cache-dir", cache.to_str().unwrap()]);
    let workers: Vec<Worker> = (0..workers).map(start).collect();
    let ended = coordinator.wait().well();
    for worker in workers {
        let (code, log) = worker.wait();
        assert_eq!(code, 0, "{log}");
    }
    ended
}

#[test]
fn a_run_learns_the_classes_that_its_data_set_has() {
    let directory = scratch();
    write(&directory.path().join("data/cifar-100-binary"));

    let coarse = run(directory.path(), "coarse", "cifar100-coarse", "4", 2);
    let summary = coarse.summary();
    assert_eq!(summary["classes"].as_array().unwrap().len(), 20);
    assert_eq!(summary["classes"][7], "family 7");
    assert_eq!(summary["per_class_accuracy"].as_array().unwrap().len(), 20);
    assert_eq!(summary["test_images"], 100);
    // Twice what chance would do.
    let learnt = coarse.metrics().last().unwrap()["train_accuracy"].as_f64().unwrap();
    assert!(learnt > 0.1, "{learnt}");
    // Kept under their checksums, whoever asked first.
    assert_eq!(fs::read_dir(directory.path().join("cache/blobs")).unwrap().count(), 2);

    // The same bytes with one worker, and with the fine labels of the same files another model.
    let alone = run(directory.path(), "alone", "cifar100-coarse", "4", 1);
    assert_eq!(alone.weights(), coarse.weights());
    let fine = run(directory.path(), "fine", "cifar100", "1", 1);
    assert_eq!(fine.summary()["classes"].as_array().unwrap().len(), 100);
}

#[test]
fn a_run_goes_on_with_its_data_set_and_with_no_other() {
    let directory = scratch();
    let files = directory.path().join("data");
    write(&files);
    let _ = run(directory.path(), "run", "cifar100-coarse", "1", 1);
    let run_dir = directory.path().join("run");
    let config: serde_json::Value = serde_json::from_slice(&fs::read(run_dir.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["dataset"]["name"], "cifar100-coarse");
    assert_eq!(config["dataset"]["shape"], json!({"channels": 3, "height": 32, "width": 32}));

    // Without a word of it, the run has its own.
    let data = ["--data-dir", files.to_str().unwrap()];
    let served = Coordinator::start(&run_dir, &[&data[..], &RUN, &["--epochs", "1", "--serve"]].concat());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let mut client = InferenceClient::connect(served.url()).await.unwrap();
        let image = Image::File(record(7)[2..].to_vec());
        client.predict(PredictRequest { image: Some(image), ..PredictRequest::default() }).await.unwrap().into_inner()
    });
    assert_eq!((answer.probabilities.len(), answer.classes[7].as_str()), (20, "family 7"));
    drop(served);

    let other = Coordinator::fails(&run_dir, &[&data[..], &RUN, &["--dataset", "cifar10"]].concat());
    assert!(other.code == 4, "{}: {}", other.code, other.log);
    assert!(other.log.contains("dataset: cifar100-coarse (") && other.log.contains("-> cifar10 ("), "{}", other.log);

    let unknown = Coordinator::fails(&run_dir, &[&data[..], &RUN, &["--dataset", "cifar1000"]].concat());
    assert_eq!(unknown.code, 2, "{}", unknown.log);
    assert!(unknown.log.contains("did you mean cifar100?"), "{}", unknown.log);

    // A file that is another one than the run began with.
    fs::write(files.join("train.bin"), TRAIN.rev().flat_map(record).collect::<Vec<u8>>()).unwrap();
    let altered = Coordinator::fails(&run_dir, &[&data[..], &RUN, &["--epochs", "2"]].concat());
    assert_eq!(altered.code, 6, "{}", altered.log);
    assert!(altered.log.contains("train.bin is not the file of this data set"), "{}", altered.log);
}
