//! Predictions from a running job, by `cox`, by a Python client, and by PyTorch from the same checkpoint.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use proto::v1::{PredictRequest, RunState, inference_client::InferenceClient, predict_request::Image};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};
use system_tests::{Coordinator, binary, data_dir, golden_dir, python, scratch};
use tonic::{Code, Status};

const IMAGES: usize = 10;

fn test_images(directory: &Path) -> (Vec<PathBuf>, Vec<u8>) {
    let data =
        importers::open(&Arc::new(importers::cifar10::spec()), &data_dir(), data::Split::Test, Some(IMAGES)).unwrap();
    let mut planes = Vec::new();
    let files = (0..IMAGES)
        .map(|index| {
            let pixels = data.pixels(index);
            planes.extend_from_slice(pixels);
            let rgb: Vec<u8> = (0..1024).flat_map(|i| [pixels[i], pixels[1024 + i], pixels[2048 + i]]).collect();
            let path = directory.join(format!("{index}.png"));
            let file = fs::File::create(&path).unwrap();
            PngEncoder::new(file).write_image(&rgb, 32, 32, ExtendedColorType::Rgb8).unwrap();
            path
        })
        .collect();
    (files, planes)
}

fn json_lines(command: &mut Command) -> Vec<Value> {
    let output = command.output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {log}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn cox_predict(coordinator: &Coordinator, files: &[PathBuf]) -> Vec<Value> {
    let url = coordinator.url();
    json_lines(Command::new(binary("cox")).args(["--coordinator", &url, "--json", "predict"]).args(files))
}

fn predict(coordinator: &Coordinator, image: Image) -> Result<Vec<f32>, Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = InferenceClient::connect(coordinator.url()).await.unwrap();
        let answer = client.predict(PredictRequest { image: Some(image) }).await?;
        Ok(answer.into_inner().probabilities)
    })
}

fn assert_close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance, "{what}: {got} instead of {want}");
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.iter().map(|logit| (logit - highest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[test]
fn before_the_first_checkpoint_and_what_is_no_image() {
    let directory = scratch();
    // No worker comes, so there is no checkpoint.
    let coordinator = Coordinator::start(&directory.path().join("run"), &[]);
    let status = predict(&coordinator, Image::Pixels(vec![0; 3072])).unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    for image in
        [Image::File(b"no picture".to_vec()), Image::Pixels(vec![0; 17]), Image::File(b"\x89PNG\r\n\x1a\n".to_vec())]
    {
        let status = predict(&coordinator, image).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
}

#[test]
fn all_ways_of_asking_agree() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let (files, planes) = test_images(directory.path());
    let flags = [
        "--local",
        "--workers",
        "1",
        "--serve",
        "--precision",
        "fp32",
        "--limit-train",
        "640",
        "--limit-test",
        "250",
        "--epochs",
        "4",
    ];
    let mut coordinator = Coordinator::start(&run_dir, &flags);

    // While it trains: within a second.
    coordinator.wait_until(|run| !run.checkpoint.is_empty() && run.state() == RunState::Training);
    let start = Instant::now();
    assert_eq!(cox_predict(&coordinator, &files).len(), IMAGES);
    let passed = start.elapsed();
    assert!(passed < Duration::from_secs(1), "ten predictions during training took {passed:?}");

    let run = coordinator.wait_until(|run| run.state() == RunState::Finished);
    let last = run.checkpoint;
    let answers = cox_predict(&coordinator, &files);
    let classes: Vec<&str> = importers::cifar10::CLASSES.to_vec();
    let by_cox: Vec<Vec<f64>> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer["checkpoint"], last.as_str());
            classes.iter().map(|class| answer["probabilities"][class].as_f64().unwrap()).collect()
        })
        .collect();

    // The pixels themselves instead of a file.
    for (index, pixels) in planes.chunks(3072).enumerate() {
        let raw = predict(&coordinator, Image::Pixels(pixels.to_vec())).unwrap();
        let raw: Vec<f64> = raw.into_iter().map(f64::from).collect();
        assert_close("pixels", &raw, &by_cox[index], 1e-6);
    }

    // A Python client.
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/predict.py");
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto");
    let by_python = json_lines(Command::new(python()).arg(script).arg(proto).arg(coordinator.address()).args(&files));
    for (index, answer) in by_python.iter().enumerate() {
        assert_eq!((&answer["class"], &answer["checkpoint"]), (&answers[index]["class"], &Value::from(last.as_str())));
        assert_close("a Python client", &numbers(&answer["probabilities"]), &by_cox[index], 1e-6);
    }

    // The article's module, from the same checkpoint, loaded with strict=True.
    let pixels = directory.path().join("pixels");
    fs::write(&pixels, &planes).unwrap();
    let mut command = Command::new(python());
    command.arg(golden_dir().join("load_checkpoint.py")).arg(run_dir.join("checkpoints").join(&last));
    command.args(["--model", "resnet20", "--pixels"]).arg(&pixels);
    let loaded = json_lines(&mut command).remove(0);
    assert_eq!((&loaded["parameters"], &loaded["num_batches_tracked"]), (&272_474.into(), &20.into()));
    for (index, logits) in loaded["logits"].as_array().unwrap().iter().enumerate() {
        assert_close("PyTorch", &softmax(&numbers(logits)), &by_cox[index], 1e-4);
    }

    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);
}
