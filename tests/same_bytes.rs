//! Promise P1: one model, whatever the cluster. And evaluation counts the same for any number of workers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};
use system_tests::{Coordinator, scratch};

/// How much of the data is used: three steps of a batch, and one of an eighth of it.
#[derive(Clone, Copy)]
struct Size {
    batch: u32,
    test: u32,
}

/// In the last step each of four shards has four samples.
const SMALL: Size = Size { batch: 128, test: 600 };

impl Size {
    fn images(self) -> u32 {
        3 * self.batch + self.batch / 8
    }

    /// The largest that a machine trains once in about a quarter of a minute. In bf16, without units for it, a model of this
    /// size takes seconds an image.
    fn for_this_machine(how: &[&str]) -> Self {
        const BUDGET: Duration = Duration::from_secs(15);
        const LEAST: u32 = 8;
        let directory = scratch();
        let one = ["--limit-train", "8", "--batch-size", "8", "--limit-test", "8", "--epochs", "1", "--shards", "4"];
        let start = Instant::now();
        let _ = Coordinator::run(directory.path(), 1, &[&one[..], how].concat()).well();
        // The rehearsal included.
        let an_image = start.elapsed() / 8;
        let images = BUDGET.as_secs_f64() / an_image.as_secs_f64();
        let batch = ((images / 3.125) as u32 / LEAST * LEAST).clamp(LEAST, SMALL.batch);
        Self { batch, test: (5 * batch).min(SMALL.test) }
    }
}

fn same_bytes(how: &[&str]) {
    // The workers of a test are on one machine and share its memory; those of several do the same over the network.
    for (memory, said) in [("auto", "in shared memory"), ("off", "over the network")] {
        same_bytes_with(SMALL, how, memory, said);
    }
}

fn same_bytes_with(size: Size, how: &[&str], memory: &str, said: &str) {
    let directory = scratch();
    let [images, batch, test] = [size.images(), size.batch, size.test].map(|number| number.to_string());
    let part =
        ["--limit-train", &images, "--batch-size", &batch, "--limit-test", &test, "--epochs", "1", "--shards", "4"];
    let runs: Vec<_> = (1..=4)
        .map(|workers| {
            let count = workers.to_string();
            let flags = [&["--local", "--workers", &count], &part[..], how].concat();
            let variables = [("COXSWAIN_SHARED_MEMORY", memory)];
            let ended = Coordinator::start_within(&variables, &directory.path().join(&count), &flags).wait().well();
            assert_eq!(ended.log.contains(&format!("added up {said}")), workers > 1, "{}", ended.log);
            let summary = ended.summary();
            assert_eq!(summary["state"], "finished");
            assert_eq!(summary["workers"], workers);
            assert_eq!((&summary["steps"], &summary["train_images"]), (&4.into(), &size.images().into()));
            assert_eq!(summary["recoveries"].as_array().unwrap().len(), 0);
            summary
        })
        .collect();
    for run in &runs[1..] {
        for figure in ["weights_sha256", "test_loss", "test_accuracy", "per_class_accuracy"] {
            assert_eq!(run[figure], runs[0][figure], "{figure} with {how:?}");
        }
    }
}

#[test]
fn p1_the_same_bytes_for_1_2_3_and_4_workers_in_fp32() {
    same_bytes(&["--precision", "fp32"]);
}

#[test]
fn p1_the_same_bytes_for_1_2_3_and_4_workers_in_bf16() {
    same_bytes(&["--precision", "bf16"]);
}

/// Its large weights go through products of matrices.
#[test]
fn p1_the_same_bytes_for_1_2_3_and_4_workers_of_the_articles_resnet18_in_bf16() {
    let how = ["--precision", "bf16", "--model", "resnet18"];
    same_bytes_with(Size::for_this_machine(&how), &how, "auto", "in shared memory");
}

#[test]
fn p1_the_same_bytes_for_1_2_3_and_4_workers_with_gradients_in_bf16_on_the_wire() {
    same_bytes(&["--precision", "fp32", "--wire", "bf16"]);
}

#[test]
fn p1_the_same_bytes_for_1_2_3_and_4_workers_with_accumulation() {
    same_bytes(&["--precision", "fp32", "--accumulate", "2"]);
}

#[test]
fn p1_the_same_bytes_for_1_2_3_and_4_workers_with_adamw_an_average_and_a_warm_up() {
    let how = ["--precision", "fp32", "--optimizer", "adamw", "--lr", "0.002", "--decay", "weights"];
    let further = ["--ema-decay", "0.9", "--warmup-epochs", "1", "--label-smoothing", "0.1"];
    same_bytes_with(SMALL, &[&how[..], &further].concat(), "off", "over the network");
}

#[test]
fn evaluation_counts_every_test_image_once_for_1_2_and_3_workers() {
    let directory = scratch();
    let flags = ["--limit-train", "120", "--batch-size", "120", "--epochs", "1", "--shards", "3"];
    let runs: Vec<_> = (1..=3)
        .map(|workers| {
            let run_dir = directory.path().join(workers.to_string());
            Coordinator::run(&run_dir, workers, &flags).well().summary()
        })
        .collect();
    for run in &runs {
        assert_eq!(run["test_images"], 10_000);
        for figure in ["test_loss", "test_accuracy", "per_class_accuracy"] {
            assert_eq!(run[figure], runs[0][figure], "{figure}");
        }
    }
}

#[test]
fn the_backends_own_all_reduce_comes_to_nearly_the_same() {
    let directory = scratch();
    let flags =
        ["--limit-train", "400", "--limit-test", "250", "--epochs", "1", "--shards", "5", "--precision", "fp32"];
    let losses: Vec<f64> =
        [&["--reduction", "tree"][..], &["--reduction", "ring"], &["--reduction", "ring", "--wire", "bf16"]]
            .into_iter()
            .enumerate()
            .map(|(index, how)| {
                let ended =
                    Coordinator::run(&directory.path().join(index.to_string()), 3, &[&flags[..], how].concat()).well();
                ended.metrics()[0]["train_loss"].as_f64().unwrap()
            })
            .collect();
    // Four steps: another order of additions, or rounding on the wire, does not lead far away.
    assert!((losses[1] - losses[0]).abs() < 1e-3 && (losses[2] - losses[0]).abs() < 1e-2, "{losses:?}");
}
