//! The article's pictures, drawn by `cox` of a real run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use image::Rgba;
use proto::v1::RunState;
use std::{
    path::Path,
    process::{Command, Output},
};
use system_tests::{TestRun, binary, data_dir, scratch};

fn cox(arguments: &[&str]) -> Output {
    Command::new(binary("cox")).args(arguments).output().unwrap()
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// How many pixels of a picture are of a colour that `is`.
fn count(path: &Path, is: impl Fn(&Rgba<u8>) -> bool) -> usize {
    image::open(path).unwrap().to_rgba8().pixels().filter(|pixel| is(pixel)).count()
}

#[test]
fn curves_confusion_and_grid_of_a_run() {
    let directory = scratch();
    let run_dir = directory.path().join("run");
    let run = TestRun::small().local(1).epochs(2).with(&["--serve", "--precision", "fp32"]);
    let mut coordinator = run.start(&run_dir);
    coordinator.wait_until(|run| run.state() == RunState::Finished);

    let file = |name: &str| directory.path().join(name).display().to_string();
    let (url, data) = (coordinator.url(), data_dir().display().to_string());
    let told = said(cox(&["--coordinator", &url, "grid", "-o", &file("grid.png"), "--data-dir", &data]));
    let right: usize = told.split(' ').next().unwrap().parse().unwrap();
    assert!(told.contains("of 64 are right"), "{told}");
    let green = count(Path::new(&file("grid.png")), |Rgba([r, g, b, _])| *g > 90 && *r < 40 && *b < 140 && g > b);
    assert!(right == 0 || green > 50, "{right} right, and {green} green pixels");
    said(cox(&["--coordinator", &url, "plot", "-o", &file("live.svg"), "--log"]));
    said(cox(&["--coordinator", &url, "confusion", "-o", &file("confusion.png"), "--dark"]));
    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);

    // The directory tells the same as the coordinator did.
    let run_dir = run_dir.display().to_string();
    said(cox(&["plot", "--run-dir", &run_dir, "-o", &file("over.svg"), "--log"]));
    let svg = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    assert_eq!(svg("live.svg"), svg("over.svg"));
    assert!(svg("over.svg").contains("resnet20"));
    said(cox(&["plot", &run_dir, &run_dir, "-o", &file("both.png")]));
    let table = said(cox(&["confusion", "--run-dir", &run_dir, "--epoch", "1"]));
    assert!(table.starts_with("epoch 1: ") && table.contains("airplane"), "{table}");
    let refused = cox(&["confusion", "--run-dir", &run_dir, "--epoch", "3"]);
    assert_eq!(refused.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("epoch 3 is not there; 2 are done"));
    assert_eq!(cox(&["plot", "--run-dir", &run_dir, "-o", "curves.jpg"]).status.code(), Some(2));
}
