//! A run as a watcher sees it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use system_tests::{Coordinator, Terminal, TestRun, binary, pace, scratch, test_pictures};

/// Where pictures of the screen are kept, to be looked at.
fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/pictures").join(name)
}

fn cox(coordinator: &Coordinator, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary("cox"));
    command.args(["--coordinator", &coordinator.url()]).args(arguments);
    command
}

/// In milliseconds, of a step.
const PACE: u32 = 30;

#[test]
fn a_run_is_watched_on_a_terminal() {
    let directory = scratch();
    let flags = TestRun::three_epochs().epochs(6).local(2).with(&["--serve", "--failure-timeout", "10s"]);
    let mut run = Coordinator::start_within(&[("COXSWAIN_FAULT", &pace(PACE))], &directory.path().join("run"), &flags);
    let mut large = Terminal::start(&mut cox(&run, &["watch"]), (120, 40));
    let mut small = Terminal::start(&mut cox(&run, &["watch"]), (80, 24));
    for screen in [&large, &small] {
        screen.wait_for("a run in training", |text| text.contains("● training") && text.contains("✓ well"));
    }
    keys_choose_what_is_seen(&mut small);
    small.press("q");
    assert_eq!(small.end().code(), Some(0));
    small.wait_for("the last state", |text| text.contains("resnet20 ") && text.contains("generation "));
    leaves_by_a_signal(&run);
    // Somebody is lost, and the run survives that.
    run.wait_until(|run| run.epoch >= 2);
    kill(Pid::from_raw(run.worker("local-1") as i32), Signal::SIGKILL).unwrap();
    large.wait_for("a mark of the recovery", |text| text.lines().skip(5).take(10).any(|line| line.contains('✕')));
    large.wait_for("a curve", |text| {
        text.chars().filter(|letter| ('\u{2801}'..='\u{28FF}').contains(letter)).count() > 60
    });
    large.wait_for("the last epoch", |text| text.contains("epoch 6/6"));
    large.keep_picture(&picture("watch.png"), "cox watch");
    // The end: the screen is left, and the last state is printed.
    assert_eq!(large.end().code(), Some(0));
    large.wait_for("the end", |text| text.contains("resnet20 finished"));
    predictions_are_shown_beside_their_pictures(&run, directory.path());
    run.terminate();
    let _ = run.wait().well();
}

fn keys_choose_what_is_seen(screen: &mut Terminal) {
    screen.press("?");
    screen.wait_for("the help", |text| text.contains("leaves; the run goes on"));
    screen.press("?");
    screen.wait_for("no help", |text| !text.contains("leaves; the run goes on"));
    screen.press("/CAME");
    screen.wait_for("a filter", |text| text.contains("/ CAME"));
    screen.press("\r");
    screen.wait_for("what passes", |text| text.contains("with \"CAME\""));
    screen.press("\x1b");
    screen.wait_for("no filter", |text| !text.contains("CAME"));
    screen.press("1\r");
    screen.wait_for("one pane", |text| text.contains("Loss") && !text.contains("Accuracy"));
    screen.press("\r");
    screen.wait_for("all panes", |text| text.contains("Accuracy"));
}

/// Ctrl-C and signals end it as they end other programs, and leave the terminal as it was.
fn leaves_by_a_signal(run: &Coordinator) {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut screen = Terminal::start(&mut cox(run, &["watch"]), (80, 24));
        screen.wait_for("a run", |text| text.contains("● "));
        match signal {
            Signal::SIGINT => screen.press("\x03"),
            signal => screen.signal(signal),
        }
        assert_eq!(screen.end().signal(), Some(signal as i32));
    }
}

fn predictions_are_shown_beside_their_pictures(run: &Coordinator, directory: &Path) {
    let pictures = test_pictures(directory, 2);
    let names: Vec<&str> = pictures.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let mut drawn = Terminal::start(cox(run, &["predict", "--top", "5", names[1]]).current_dir(directory), (92, 20));
    assert_eq!(drawn.end().code(), Some(0));
    // The emulator may read it in pieces.
    let whole = |text: &str| text.matches('▀').count() == 32 * 16 && text.contains("(by step-") && text.contains(" %");
    drawn.wait_for("a picture and bars", whole);
    drawn.keep_picture(&picture("predict.png"), "cox predict");
    for (variable, value, flags) in [
        ("NO_COLOR", "1", &[][..]),
        ("TERM", "dumb", &[][..]),
        ("A", "", &["--picture", "never"][..]),
        ("A", "", &["--json"][..]),
    ] {
        let mut plain = cox(run, &["predict", names[0]]);
        let mut plain = Terminal::start_with(plain.args(flags).current_dir(directory), (92, 30), &[(variable, value)]);
        assert_eq!(plain.end().code(), Some(0));
        let text = plain.wait_for("an answer", |text| text.contains("step-"));
        assert!(!text.contains('▀'), "{variable}={value} {flags:?}: {text}");
    }
    let always = cox(run, &["predict", "--picture", "always", names[0]]).current_dir(directory).output().unwrap();
    let text = String::from_utf8(always.stdout).unwrap();
    assert!(text.contains("▀") && text.contains("\u{1b}[38;"), "{text}");
}

/// By a key or by a signal from elsewhere. The terminal here is one that answers no questions.
#[test]
fn a_watcher_that_is_suspended_leaves_the_terminal_as_it_was() {
    let directory = scratch();
    let coordinator = Coordinator::start(&directory.path().join("run"), &[]);
    let mut command = cox(&coordinator, &["watch", "--interval", "50ms"]);
    // Somebody else's group: only then may a signal of a terminal stop it.
    let mut screen = Terminal::start(command.process_group(0), (80, 24));
    let runs = |text: &str| text.contains("● waiting");
    screen.wait_for("a run that waits", runs);
    for by_key in [true, false] {
        if by_key {
            screen.press("\x1a");
        } else {
            screen.signal(Signal::SIGTSTP);
        }
        screen.wait_until_stopped();
        screen.wait_for("the screen as it was", |_| !screen.is_whole());
        assert!(screen.is_usual(), "the mode of the terminal is not as it was");
        screen.signal(Signal::SIGCONT);
        screen.wait_for("the run again", |text| runs(text) && screen.is_whole());
    }
    screen.press("q");
    assert_eq!(screen.end().code(), Some(0));
    coordinator.terminate();
    let _ = coordinator.wait().well();
}

#[test]
fn a_terminal_that_takes_nothing_does_not_hold_a_watcher() {
    let directory = scratch();
    let coordinator = Coordinator::start(&directory.path().join("run"), &[]);
    let mut screen = Terminal::start(&mut cox(&coordinator, &["watch", "--interval", "50ms"]), (120, 40));
    screen.wait_for("a run that waits", |text| text.contains("● waiting"));
    screen.stop_output();
    // What the keys change cannot be drawn any more.
    screen.press("?\tjk?");
    screen.signal(Signal::SIGTERM);
    assert_eq!(screen.status().signal(), Some(Signal::SIGTERM as i32));
    assert!(screen.is_usual(), "the mode of the terminal is not as it was");
    coordinator.terminate();
    let _ = coordinator.wait().well();
}

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
