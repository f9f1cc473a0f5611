//! The test set, asked about while a run trains: as files, as pixels, by the workers' own evaluation, and by PyTorch.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::{fs, process::Command, sync::Arc};
use system_tests::{TestRun, binary, data_dir, golden_dir, numbers, python, scratch, softmax, test_pictures};

const IMAGES: usize = 1000;
/// Between our probabilities and PyTorch's, in fp32.
const TOLERANCE: f64 = 1e-5;

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_thousand_files_are_predicted_as_the_test_set_is_evaluated() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let files = test_pictures(directory.path(), IMAGES);
    // It trains for as long as the test takes.
    let run = TestRun::small().local(1).images(650, IMAGES).endless();
    let mut coordinator = run.with(&["--precision", "fp32", "--keep", "1000"]).start(&run_dir);
    let run = coordinator.wait_until(|run| !run.checkpoint.is_empty());
    let checkpoint = run.checkpoint.as_str();
    // The newest epoch may be newer than the newest checkpoint.
    let step: u32 = checkpoint.trim_start_matches("step-").parse().unwrap();
    let of_workers = &run.epochs[(step / run.steps_per_epoch) as usize - 1];
    let url = coordinator.url();
    let cox = |command: &str| {
        let mut cox = Command::new(binary("cox"));
        cox.args(["--coordinator", &url, "--json", command, "--checkpoint", checkpoint]);
        cox
    };

    let told = said(cox("evaluate").args(["--each", "--data-dir"]).arg(data_dir()));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((told["images"].as_u64(), told["checkpoint"].as_str()), (Some(IMAGES as u64), Some(checkpoint)));
    let difference = told["accuracy"].as_f64().unwrap() - of_workers.test_accuracy;
    assert!(difference.abs() < 1e-9, "{}: {of_workers:?}", told["accuracy"]);

    let lines = said(cox("predict").args(&files));
    let answers: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let predicted: Vec<u64> = answers.iter().map(|answer| answer["class_index"].as_u64().unwrap()).collect();
    assert_eq!(serde_json::from_value::<Vec<u64>>(told["predicted"].clone()).unwrap(), predicted);
    coordinator.assert_goes_on();

    // The article's class, from the same checkpoint.
    let spec = Arc::new(importers::cifar10::spec());
    let data = importers::open(&spec, &data_dir(), data::Split::Test, Some(IMAGES)).unwrap();
    let pixels = directory.path().join("pixels");
    fs::write(&pixels, (0..IMAGES).flat_map(|index| data.pixels(index).to_vec()).collect::<Vec<u8>>()).unwrap();
    let mut article = Command::new(python());
    article.arg(golden_dir().join("load_checkpoint.py")).arg(run_dir.join("checkpoints").join(checkpoint));
    let loaded: Value = serde_json::from_str(&said(article.arg("--pixels").arg(&pixels))).unwrap();
    let mut furthest = 0.0_f64;
    for (answer, logits) in answers.iter().zip(loaded["logits"].as_array().unwrap()) {
        for (class, expected) in spec.classes.iter().zip(softmax(&numbers(logits))) {
            furthest = furthest.max((answer["probabilities"][class].as_f64().unwrap() - expected).abs());
        }
    }
    assert!(furthest <= TOLERANCE, "a probability is {furthest} from PyTorch's");
    println!("the furthest of {IMAGES} images: {furthest:.2e}");
    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);
}
