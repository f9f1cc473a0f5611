//! The page of a run in a real browser.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rusqlite::{Connection, params};
use serde_json::json;
use std::{
    collections::BTreeMap,
    f64::consts::E,
    fs,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};
use system_tests::{Browser, Coordinator, TestRun, binary, data_dir, scratch};

/// Where pictures of the page are kept, to be looked at.
fn pictures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/pictures")
}

/// Eight epochs of eight steps.
const RUN: [&str; 15] = [
    "--local",
    "--workers",
    "2",
    "--limit-train",
    "512",
    "--batch-size",
    "64",
    "--limit-test",
    "300",
    "--epochs",
    "8",
    "--http",
    "127.0.0.1:0",
    "--serve",
    "--failure-timeout=10s",
];

/// The only origin that a page may ask.
fn assert_all_from(browser: &mut Browser, url: &str) {
    for request in browser.requests() {
        let inside = request.starts_with("data:") || request.starts_with("blob:") || request == "about:blank";
        assert!(inside || request.starts_with(url), "the page asked for {request}");
    }
}

#[test]
fn a_run_is_watched_and_asked_in_a_browser() {
    let Some(mut browser) = Browser::start("a_run_is_watched_and_asked_in_a_browser") else { return };
    let directory = scratch();
    let mut run = Coordinator::start(&directory.path().join("run"), &RUN);
    let url = run.page();
    browser.dress(1280, 900, false);
    browser.open(&url);
    // What it does and why, and numbers that move.
    // A run moves on between two questions: each is one look at one moment, asked until it holds.
    browser.wait_for(
        "document.querySelector('#pill').dataset.state === 'training' \
         && document.querySelector('#state-word').textContent === 'Training' \
         && document.querySelector('#where').textContent.startsWith('Epoch ') \
         && document.querySelector('#where').textContent.includes('of 8') \
         && document.title.includes('training')",
    );
    let step = browser.text("#where");
    browser.wait_for(&format!("document.querySelector('#where').textContent !== {}", json!(step)));
    // Curves that grow.
    browser.evaluate("document.querySelector('#curves-text').open = true");
    let rows = "document.querySelectorAll('#curves-text tbody tr').length";
    browser.wait_for(&format!("{rows} >= 1"));
    let before = browser.evaluate(rows).as_u64().unwrap();
    assert!(before < 8, "the run was over before its curves were seen to grow");
    browser.wait_for(&format!("{rows} > {before}"));
    let drawn = "document.querySelector('.chart canvas').toDataURL().length > 3000";
    browser.wait_for(drawn);
    browser.wait_for("document.querySelectorAll('#workers-table tbody tr').length === 2");
    // A picture is dropped, and answered.
    let picture = directory.path().join("picture.png");
    image::RgbImage::from_pixel(48, 40, image::Rgb([90, 120, 200])).save(&picture).unwrap();
    browser.drop_file("#drop", &picture);
    browser.wait_for("document.querySelector('#answer-class')");
    let answer = browser.text("#answer-class");
    let classes = importers::cifar10::spec().classes;
    assert!(classes.iter().any(|class| answer.starts_with(class.as_str())) && answer.ends_with('%'), "{answer}");
    // What is no picture is told why.
    let text = directory.path().join("text.png");
    fs::write(&text, "no picture").unwrap();
    browser.drop_file("#drop", &text);
    browser.wait_for("document.querySelector('#answer .trouble')?.textContent.includes('neither a PNG nor a JPEG')");
    // That answer is an error of HTTP, which the console tells of; nothing else is there.
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|complaint| complaint.contains("422")), "{complaints:?}");
    browser.wait_for("document.querySelectorAll('#grid img').length > 0");

    // The end, by every look that it has.
    browser.wait_for("document.querySelector('#pill').dataset.state === 'finished'");
    browser.wait_for("document.querySelector('#confusion .matrix')");
    browser.evaluate("document.querySelector('#curves-text').open = false; scrollTo(0, 0)");
    for (name, width, dark) in [("light", 1280, false), ("dark", 1280, true), ("phone", 390, false)] {
        browser.dress(width, 900, dark);
        browser.wait_for("document.documentElement.scrollWidth <= innerWidth");
        browser.keep_picture(&pictures().join(format!("page-{name}.png")), true);
    }
    cell_opens_its_pictures(&mut browser);
    assert_all_from(&mut browser, &url);
    run.terminate();
    browser.wait_for("!document.querySelector('#banner').hidden");
    assert!(browser.text("#banner").contains("The coordinator has ended"), "{}", browser.text("#banner"));
    let _ = run.wait().well();
}

fn cell_opens_its_pictures(browser: &mut Browser) {
    browser.evaluate("document.querySelector('#confusion .matrix button').click()");
    browser.wait_for(
        "document.querySelectorAll('#cell[open] .grid img').length > 0 && !document.querySelector('#cell progress')",
    );
    browser.evaluate("document.querySelector('#cell button').click()");
    browser.wait_for("!document.querySelector('#cell[open]')");
}

/// How many alerts are in force and not dismissed, by the mark in the header.
const MARK: &str = "document.querySelector('#alerts-open:not([hidden])')?.dataset.count";

#[test]
fn alerts_are_shown_until_they_are_dismissed() {
    let Some(mut browser) = Browser::start("alerts_are_shown_until_they_are_dismissed") else { return };
    let directory = scratch();
    // Both come after the first epoch.
    let alerts = ["--alert-accuracy-above", "0.0", "--alert-accuracy-below", "0.99"];
    let mut run = TestRun::small().local(1).endless().with(&alerts).start(&directory.path().join("run"));
    let url = run.page();
    browser.dress(1280, 900, false);
    browser.open(&url);
    browser.wait_for(&format!("{MARK} === '2'"));
    browser.wait_for(
        "document.querySelector('#alerts-list [data-severity=warning] p:nth-child(2)').textContent.includes('curves') \
         && document.querySelector('#alerts-list [data-severity=info]') \
         && document.querySelector('#alerts-said').textContent.includes('test accuracy')",
    );
    // The tab is marked for who wants that.
    browser.wait_for("document.title.startsWith('(') === false");
    browser.evaluate("document.querySelector('#alerts-title').click()");
    browser.wait_for("document.title.startsWith('(2) ')");
    for (name, width, dark) in [("light", 1280, false), ("dark", 1280, true), ("phone", 390, false)] {
        browser.dress(width, 900, dark);
        browser.wait_for("document.documentElement.scrollWidth <= innerWidth");
        browser.evaluate("scrollTo(0, 0)");
        browser.keep_picture(&pictures().join(format!("alerts-{name}.png")), false);
    }
    browser.evaluate("document.querySelector('#alerts-list [data-severity=info] button').click()");
    browser.wait_for(&format!("{MARK} === '1' && document.title.startsWith('(1) ')"));
    browser.wait_for("document.querySelector('#alerts-earlier summary').textContent === 'Dismissed (1)'");
    // The browser remembers what was dismissed, and what was wanted.
    browser.open(&url);
    browser.wait_for(&format!("{MARK} === '1' && document.title.startsWith('(1) ')"));
    browser.evaluate("document.querySelector('#alerts-list button').click()");
    browser.wait_for("document.querySelector('#alerts-open').hidden && !document.title.startsWith('(')");
    assert_eq!(browser.complaints(), [""; 0]);
    run.terminate();
    assert_eq!(run.wait().code, 0);
}

#[test]
fn keys_change_the_view_and_the_url_holds_it() {
    let Some(mut browser) = Browser::start("keys_change_the_view_and_the_url_holds_it") else { return };
    let directory = scratch();
    finished(directory.path(), 30);
    let viewer = Viewer::start(&[directory.path()]);
    browser.dress(1280, 900, false);
    browser.open(&viewer.url);
    browser.wait_for("document.querySelector('#pill').dataset.state === 'finished'");
    for key in ["l", "t", "s", "x", "/"] {
        browser.press(key);
    }
    browser.wait_for("document.activeElement.id === 'filter'");
    browser.evaluate(
        "(() => { const filter = document.querySelector('#filter'); filter.value = 'lost'; \
         filter.dispatchEvent(new Event('input')); })()",
    );
    browser.wait_for("document.querySelectorAll('#events-list li').length === 1");
    let hash = browser.evaluate("location.hash");
    let hash = hash.as_str().unwrap();
    for part in ["log=1", "theme=dark", "s=0.1", "x=time", "f=lost"] {
        assert!(hash.contains(part), "{hash} has no {part}");
    }
    // As it was, and behind a proxy too.
    let behind = proxy(&viewer.url);
    browser.requests();
    browser.open(&format!("{behind}{hash}"));
    browser.wait_for("document.querySelectorAll('#events-list li').length === 1");
    let same = "document.querySelector('#log').checked && document.documentElement.dataset.theme === 'dark' \
                && document.querySelector('#x').value === 'time'";
    assert_eq!(browser.evaluate(same), true);
    browser.wait_for("document.querySelector('#confusion .matrix')");
    assert_all_from(&mut browser, &behind);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_thousand_epochs_are_painted_at_once_and_runs_are_compared() {
    const EPOCHS: u32 = 1000;
    /// Milliseconds until the first paint with something in it.
    const PAINTED: f64 = 100.0;
    let Some(mut browser) = Browser::start("a_thousand_epochs_are_painted_at_once_and_runs_are_compared") else {
        return;
    };
    let directory = scratch();
    let (long, short) = (directory.path().join("long"), directory.path().join("short"));
    finished(&long, EPOCHS);
    finished(&short, 40);
    let before = (contents(&long), contents(&short));
    browser.dress(1280, 900, false);

    let viewer = Viewer::start(&[&long]);
    let mut painted = Vec::new();
    // What else the machine does at that moment only ever makes it longer.
    while painted.len() < 20 && painted.iter().all(|paint| *paint >= PAINTED) {
        browser.open(&viewer.url);
        browser.wait_for("document.querySelector('#pill').dataset.state === 'finished'");
        browser.wait_for("performance.getEntriesByName('first-contentful-paint').length");
        let paint = browser.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime");
        painted.push(paint.as_f64().unwrap());
    }
    assert!(painted.iter().any(|paint| *paint < PAINTED), "painted after so many ms: {painted:?}");
    browser.evaluate("document.querySelector('#curves-text').open = true");
    browser.wait_for(&format!("document.querySelectorAll('#curves-text tbody tr').length === {EPOCHS}"));
    browser.evaluate("document.querySelector('#curves-text').open = false; scrollTo(0, 0)");
    browser.keep_picture(&pictures().join("page-long.png"), true);
    assert_all_from(&mut browser, &viewer.url);
    drop(viewer);

    let both = Viewer::start(&[&long, &short]);
    browser.open(&both.url);
    browser.wait_for("document.querySelectorAll('#compare tbody tr').length === 2");
    assert_eq!(browser.evaluate("document.querySelectorAll('.chart .keys-of')[0].children.length"), 4);
    browser.evaluate("document.querySelector('#compare input').click()");
    browser.wait_for("document.querySelectorAll('.chart .keys-of')[0].children.length === 2");
    browser.keep_picture(&pictures().join("page-compare.png"), true);
    assert_eq!(browser.complaints(), [""; 0]);
    drop(both);
    assert!(before == (contents(&long), contents(&short)), "to look at runs changes nothing");
}

#[test]
fn a_port_that_is_taken_stops_a_run_only_if_it_was_named() {
    let directory = scratch();
    // An address of loopback that nobody else uses.
    let mut first = Coordinator::start_at("127.0.78.1:0", &directory.path().join("first"), &[]);
    let mut second = Coordinator::start_at("127.0.78.1:0", &directory.path().join("second"), &[]);
    assert_eq!(first.page(), "http://127.0.78.1:8080/");
    assert_eq!(second.page(), "http://127.0.78.1:8081/");
    let third = directory.path().join("third");
    let ended = Coordinator::fails(&third, &["--http", "127.0.78.1:8080"]);
    assert_eq!(ended.code, 3, "{}", ended.log);
    assert!(ended.log.contains("cannot serve the page on 127.0.78.1:8080"), "{}", ended.log);
    assert!(!third.exists(), "the run has not begun");
    let mut off = Coordinator::start_at("127.0.78.1:0", &third, &["--http", "off"]);
    off.terminate();
    off.wait_for("stopped");
    assert!(!off.wait().log.contains("page on"));
}

#[test]
fn a_directory_without_a_run_is_not_shown() {
    let directory = scratch();
    let output = Command::new(binary("coordinator")).arg("view").arg(directory.path()).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{log}");
    assert!(log.contains("holds no run"), "{log}");
}

/// `coordinator view`; ended when dropped.
struct Viewer {
    child: Child,
    url: String,
}

impl Viewer {
    fn start(run_dirs: &[&Path]) -> Self {
        let mut command = Command::new(binary("coordinator"));
        command.args(["view", "--http", "127.0.0.1:0", "--data-dir"]).arg(data_dir()).args(run_dirs);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| Some(line.split_once("page on ")?.1.to_owned())).unwrap();
        // It says nothing more; what it would say is not to fill a pipe.
        thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        // If it has ended there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A proxy that serves what is at `to` under `/prefix/`.
fn proxy(to: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let to = to.trim_start_matches("http://").trim_end_matches('/').to_owned();
    thread::spawn(move || {
        for browser in listener.incoming().map_while(Result::ok) {
            let to = to.clone();
            // A browser that is gone is the end of its connection alone.
            thread::spawn(move || drop(pass_on(browser, &to)));
        }
    });
    format!("http://{address}/prefix/")
}

/// Passes one request on, and its answer back.
fn pass_on(browser: TcpStream, to: &str) -> io::Result<()> {
    let (mut server, mut answers) = (TcpStream::connect(to)?, browser.try_clone()?);
    let mut requests = BufReader::new(browser);
    let mut line = String::new();
    requests.read_line(&mut line)?;
    server.write_all(line.replacen(" /prefix/", " /", 1).as_bytes())?;
    // One request a connection.
    server.write_all(b"Connection: close\r\n")?;
    loop {
        line.clear();
        requests.read_line(&mut line)?;
        if !line.to_ascii_lowercase().starts_with("connection:") {
            server.write_all(line.as_bytes())?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    io::copy(&mut server, &mut answers).map(drop)
}

/// The files of a directory, with what is in them.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// The run directory of a run of so many epochs, in which all happened that can.
fn finished(run_dir: &Path, epochs: u32) {
    const STEPS: u32 = 390;
    fs::create_dir_all(run_dir).unwrap();
    let journal = Connection::open(run_dir.join("journal.sqlite")).unwrap();
    journal
        .execute_batch(
            "CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
             CREATE TABLE generations (generation INTEGER PRIMARY KEY, members TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL) STRICT;
             CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT;
             CREATE TABLE checkpoints (name TEXT PRIMARY KEY, steps_done INTEGER NOT NULL, at REAL NOT NULL) STRICT;
             CREATE TABLE recoveries (record TEXT NOT NULL) STRICT;
             CREATE TABLE events (at REAL NOT NULL, text TEXT NOT NULL) STRICT;
             BEGIN;",
        )
        .unwrap();
    let spec = importers::cifar10::spec();
    let config = json!({
        "model": "resnet20", "epochs": epochs, "batch_size": 128, "train_samples": 50000, "test_samples": 10000,
        "schedule": {"kind": "plateau"}, "dataset": spec,
    });
    for (key, value) in [("id", "resnet20-1".to_owned()), ("config", config.to_string())] {
        journal.execute("INSERT INTO run VALUES (?1, ?2)", params![key, value]).unwrap();
    }
    let at = |epoch: f64| 1_790_000_000.0 + 60.0 * epoch;
    let third = f64::from(epochs / 3);
    for (generation, begun, members, reason) in [
        (1, 0.0, "node-a,node-b,node-c", "3 workers are there"),
        (2, third + 0.4, "node-a,node-c", "node-b was lost: its connection broke"),
        (3, third + 1.6, "node-a,node-c,node-b", "node-b came"),
        (4, 2.0 * third, "node-a,node-c,node-b,node-d", "node-d came"),
    ] {
        let row = params![generation, members, reason, at(begun)];
        journal.execute("INSERT INTO generations VALUES (?1, ?2, ?3, ?4)", row).unwrap();
        journal.execute("INSERT INTO events VALUES (?1, ?2)", params![at(begun), reason]).unwrap();
    }
    let recovery = json!({"kind": "node-b was lost: its connection broke", "detected_ms": 1200, "resumed_ms": 900, "generation": 2});
    journal.execute("INSERT INTO recoveries VALUES (?1)", [recovery.to_string()]).unwrap();
    for epoch in 0..epochs {
        journal
            .execute("INSERT INTO epochs VALUES (?1, ?2)", params![epoch, record(epoch, epochs).to_string()])
            .unwrap();
        let steps = STEPS * (epoch + 1);
        let row = params![format!("step-{steps:08}"), steps, at(f64::from(epoch + 1))];
        journal.execute("INSERT INTO checkpoints VALUES (?1, ?2, ?3)", row).unwrap();
    }
    journal.execute_batch("COMMIT").unwrap();
    let summary = json!({
        "state": "finished", "reason": format!("all {epochs} epochs are done"), "images_per_second": 2244.0,
        "checkpoint": format!("step-{:08}", STEPS * epochs), "best_checkpoint": null, "best_accuracy": 0.91,
        "wall_seconds": 60 * epochs,
    });
    fs::write(run_dir.join("summary.json"), summary.to_string()).unwrap();
}

/// An epoch's figures, as they usually are.
fn record(epoch: u32, epochs: u32) -> serde_json::Value {
    const CLASSES: usize = 10;
    let done = f64::from(epoch) / f64::from(epochs);
    // A wobble that is the same every time.
    let wobble = f64::from(epoch * 7919 % 101) / 101.0 - 0.5;
    let lr = if done < 0.5 {
        0.1
    } else if done < 0.75 {
        0.05
    } else {
        0.025
    };
    let accuracy = 0.91 - 0.55 * E.powf(-7.0 * done) + 0.05 * (0.3 + lr) * wobble;
    let wrong = ((1.0 - accuracy) * 1000.0 / 9.0) as u32;
    let counts: Vec<u32> = (0..CLASSES * CLASSES)
        .map(|cell| {
            let (truth, answer) = (cell / CLASSES, cell % CLASSES);
            let near = if truth.abs_diff(answer) == 2 { 3 * wrong } else { wrong / 2 };
            if truth == answer { 1000 - 9 * wrong } else { near }
        })
        .collect();
    json!({
        "epoch": epoch, "train_loss": 0.2 + 1.9 * E.powf(-6.0 * done), "train_accuracy": 0.95 - 0.6 * E.powf(-6.0 * done),
        "train_images": 50000, "test_loss": 0.45 + 1.5 * E.powf(-7.0 * done) + 0.3 * (0.3 + lr) * wobble,
        "test_accuracy": accuracy, "confusion": counts, "lr": lr, "seconds": 60.0, "train_seconds": 55.0,
        "images_per_second": 2244.0, "note": null, "schedule": {"rate": lr, "epochs": epoch + 1, "memory": null},
    })
}
