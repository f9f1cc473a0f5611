//! The pictures of the README and the guide: every look at one run, each made by one command.
//!
//! `COXSWAIN_SHOW_RUN` names a run directory, which is copied and stays as it is. Its settings that are no defaults are
//! given in the environment, such as `COXSWAIN_PLATEAU_PATIENCE`. Without it a small run is made.
//! The pictures go to `COXSWAIN_SHOW_OUT`, or to `target/pictures`. `cargo xtask pictures` sets both.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proto::v1::{Run, RunState};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};
use system_tests::{Browser, Coordinator, Terminal, TestRun, binary, data_dir, pace, scratch, test_pictures};

/// Epochs that the run goes on for, so that there is something to watch. It is stopped before they are over.
const MORE: usize = 6;
/// The name of the variable with the run that is shown.
const SHOWN: &str = "COXSWAIN_SHOW_RUN";

/// Where pictures go.
fn out(name: &str) -> PathBuf {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/pictures");
    let folder = env::var_os("COXSWAIN_SHOW_OUT").map_or(made, PathBuf::from);
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// A run that is over, in `directory`.
fn prepared(directory: &Path) {
    let Some(shown) = env::var_os(SHOWN) else {
        let _ = TestRun::small().local(1).ended(directory).well();
        return;
    };
    fs::create_dir_all(directory).unwrap();
    let copied = Command::new("cp").arg("-r").arg(Path::new(&shown).join(".")).arg(directory).status().unwrap();
    assert!(copied.success(), "the run {} cannot be copied", shown.display());
}

/// Runs `cox` and returns what it printed.
fn cox(arguments: &[&str]) -> String {
    let output = Command::new(binary("cox")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The article's figures of a run that is over.
fn figures(run_dir: &str) {
    let file = |name: &str| out(name).display().to_string();
    cox(&["plot", run_dir, "-o", &file("curves.svg")]);
    cox(&["plot", run_dir, "-o", &file("curves.png")]);
    println!("{}", cox(&["confusion", "--run-dir", run_dir, "-o", &file("confusion.png")]));
}

/// The article's 64 images, by the model that the coordinator at `url` has.
fn grid(url: &str) {
    let (data, file) = (data_dir().display().to_string(), out("grid.png").display().to_string());
    let told = cox(&["--coordinator", url, "grid", "-o", &file, "--data-dir", &data]);
    assert!(told.contains("of 64 are right"), "{told}");
    for name in ["curves.png", "confusion.png", "grid.png"] {
        let picture = image::open(out(name)).unwrap();
        assert!(picture.width() > 300 && picture.height() > 200, "{name}: {}x{}", picture.width(), picture.height());
    }
}

/// The page on a desktop, in the dark and on a phone, with a picture dropped on it.
fn page(browser: &mut Browser, url: &str, picture: &Path) {
    browser.dress(1280, 900, false);
    browser.open(url);
    browser.wait_for("document.querySelector('#pill').dataset.state === 'training'");
    // Images are asked for when they come into sight.
    browser.evaluate("document.querySelector('#grid').scrollIntoView()");
    browser.wait_for("document.querySelectorAll('#grid img').length > 0");
    browser.wait_for("document.querySelector('#confusion .matrix')");
    browser.drop_file("#drop", picture);
    browser.wait_for("document.querySelector('#answer-class')");
    browser.evaluate("scrollTo(0, 0)");
    // With the whole page, or as much as a screen has.
    let dresses = [
        ("page", 1280, false, false),
        ("page-dark", 1280, true, false),
        ("page-phone", 390, false, false),
        ("page-whole", 1280, false, true),
    ];
    for (name, width, dark, whole) in dresses {
        browser.dress(width, 900, dark);
        browser.wait_for("document.documentElement.scrollWidth <= innerWidth");
        browser.keep_picture(&out(&format!("{name}.png")), whole);
    }
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
}

/// The run on a terminal, and what it makes of a picture.
fn terminals(url: &str, picture: &Path) {
    let cox = |arguments: &[&str]| {
        let mut command = Command::new(binary("cox"));
        command.args(["--coordinator", url]).args(arguments);
        command
    };
    let mut watch = Terminal::start(&mut cox(&["watch"]), (120, 40));
    let is_braille = |letter: &char| ('\u{2801}'..='\u{28FF}').contains(letter);
    watch.wait_for("curves and events", |text| {
        let drawn = text.chars().filter(is_braille).count() > 20;
        drawn && text.contains("● training") && !text.contains("nothing yet")
    });
    watch.keep_picture(&out("watch.png"), "cox watch");
    watch.press("q");
    assert_eq!(watch.end().code(), Some(0));
    let (folder, name) = (picture.parent().unwrap(), picture.file_name().unwrap().to_str().unwrap());
    let mut predict = Terminal::start(cox(&["predict", name]).current_dir(folder), (100, 18));
    assert_eq!(predict.end().code(), Some(0));
    predict.wait_for("a picture and bars", |text| text.contains('▀') && text.contains(" %\n"));
    predict.keep_picture(&out("predict.png"), "cox predict");
}

fn is_training(run: &Run, epoch: u32) -> bool {
    run.state() == RunState::Training && run.epoch >= epoch
}

#[test]
fn a_run_is_shown_in_every_way() {
    let Some(mut browser) = Browser::start("a_run_is_shown_in_every_way") else { return };
    let directory = scratch();
    // The page tells the path that the coordinator was given.
    env::set_current_dir(directory.path()).unwrap();
    let run_dir = Path::new("runs/resnet20");
    fs::create_dir("runs").unwrap();
    prepared(run_dir);
    figures("runs/resnet20");
    let done = fs::read_to_string(run_dir.join("metrics.jsonl")).unwrap().lines().count();
    let epochs = (done + MORE).to_string();
    let how = ["--workers", "2", "--local", "--epochs", &epochs, "--http", "127.0.0.1:0"];
    let mut coordinator = if env::var_os(SHOWN).is_some() {
        Coordinator::start(run_dir, &how)
    } else {
        // A small run would be over before anybody looks.
        Coordinator::start_failing(run_dir, &TestRun::small().with(&how), &[pace(300)])
    };
    grid(&coordinator.url());
    coordinator.wait_until(|run| is_training(run, done as u32));
    let picture = test_pictures(directory.path(), 1).remove(0);
    page(&mut browser, &coordinator.page(), &picture);
    terminals(&coordinator.url(), &picture);
    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);
}
