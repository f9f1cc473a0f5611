//! What people copy from examples/ works against a job that trains.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};
use system_tests::{TestRun, python, scratch};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// What a command writes to standard output.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands of the shell in a page.
fn commands(page: &str) -> Vec<String> {
    page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn examples_work_while_it_trains() {
    let directory = scratch();
    let picture = directory.path().join("a picture.png");
    let pixels: Vec<u8> = (0..3 * 40 * 40).map(|index| (index % 251) as u8).collect();
    PngEncoder::new(File::create(&picture).unwrap()).write_image(&pixels, 40, 40, ExtendedColorType::Rgb8).unwrap();
    let mut coordinator = TestRun::small().local(1).epochs(60).start(&directory.path().join("run"));
    let page = coordinator.page();
    let run = coordinator.wait_until(|run| !run.checkpoint.is_empty() && !run.epochs.is_empty());

    let client = examples().join("client.py");
    let told = said(Command::new(python()).arg(client).arg(coordinator.address()).args([&picture, &picture]));
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with(&format!("{}: ", run.id)) && lines.len() == 3, "{told}");
    assert!(lines[1].contains("a picture.png: ") && lines[1].contains(" by step-") && lines[1] == lines[2], "{told}");

    let commands = commands(&fs::read_to_string(examples().join("curl.md")).unwrap());
    let answers: Vec<String> = commands
        .iter()
        .map(|command| {
            let mut shell = Command::new("sh");
            shell.args(["-euc", command]).env("HTTP", page.trim_end_matches('/')).env("PICTURE", &picture);
            said(&mut shell)
        })
        .collect();
    let [ready, model, predicted, metrics] = answers.as_slice() else { panic!("{commands:?}") };
    assert_eq!(ready, "");
    assert!(model.contains("\"platform\":\"coxswain_resnet\""), "{model}");
    assert!(predicted.contains("\"name\":\"probabilities\""), "{predicted}");
    assert!(metrics.contains("coxswain_run_state"), "{metrics}");
    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);
}
