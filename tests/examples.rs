//! What people copy from examples/ works against a job that trains.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use std::{
    env,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
};
use system_tests::{Browser, TestRun, python, scratch};

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

/// A picture in `directory`.
fn picture_in(directory: &Path) -> PathBuf {
    let picture = directory.join("a picture.png");
    let pixels: Vec<u8> = (0..3 * 40 * 40).map(|index| (index % 251) as u8).collect();
    PngEncoder::new(File::create(&picture).unwrap()).write_image(&pixels, 40, 40, ExtendedColorType::Rgb8).unwrap();
    picture
}

/// grpcurl, if this machine has one. `COXSWAIN_GRPCURL` outweighs those on the path. In CI there has to be one.
fn grpcurl(test: &str) -> Option<PathBuf> {
    let places = env::var_os("PATH").map(|path| env::split_paths(&path).map(|place| place.join("grpcurl")).collect());
    let places: Vec<PathBuf> = places.unwrap_or_default();
    let named = env::var_os("COXSWAIN_GRPCURL").map(PathBuf::from);
    let found = named.or_else(|| places.into_iter().find(|file| file.is_file()));
    if found.is_none() {
        assert!(env::var_os("CI").is_none(), "CI has no grpcurl: .ci/run installs it");
        // The test is skipped, visibly: the harness keeps what macros print.
        let _ = writeln!(io::stderr(), "SKIPPED {test}: there is no grpcurl on this machine");
    }
    found
}

/// Every command of the page on grpcurl, one after the other. The last one stops the run.
#[test]
fn grpcurl_needs_nothing_but_an_address() {
    let Some(grpcurl) = grpcurl("grpcurl_needs_nothing_but_an_address") else { return };
    let directory = scratch();
    let picture = picture_in(directory.path());
    let mut coordinator = TestRun::small().local(1).endless().start(&directory.path().join("run"));
    coordinator.wait_until(|run| !run.checkpoint.is_empty() && !run.epochs.is_empty());
    let path = env::join_paths(
        [grpcurl.parent().unwrap().to_owned()].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    let commands = commands(&fs::read_to_string(examples().join("grpcurl.md")).unwrap());
    let answers: Vec<String> = commands
        .iter()
        .map(|command| {
            let mut shell = Command::new("sh");
            shell.args(["-euc", command]).env("JOB", coordinator.address()).env("PICTURE", &picture).env("PATH", &path);
            said(&mut shell)
        })
        .collect();
    let expected = [
        "coxswain.v1.Training",
        "rpc StopRun",
        "repeated .coxswain.v1.Image images",
        "\"state\": \"RUN_STATE_",
        "\"state\": \"RUN_STATE_",
        "\"status\": \"SERVING\"",
        "\"predictions\"",
        "\"modelName\": \"resnet20\"",
        "\"checkpoint\"",
        "{",
    ];
    assert_eq!(answers.len(), expected.len(), "{commands:?}");
    for ((command, answer), expected) in commands.iter().zip(&answers).zip(expected) {
        assert!(answer.contains(expected), "{command} {answer}");
    }
    let ended = coordinator.wait();
    assert!(ended.code == 0 && ended.log.contains("enough for today"), "{}", ended.log);
}

/// A server of one file, on a site of its own.
fn site(file: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut browser in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            // Who is gone needs no answer.
            let _ = BufReader::new(&browser).read_line(&mut line);
            let (status, body) =
                if line.starts_with("GET /?") { ("200 OK", fs::read(&file).unwrap()) } else { ("404 -", Vec::new()) };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            let _ = browser.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    format!("http://{address}")
}

/// A page of another site asks over gRPC-Web. It may if it was named, and not otherwise.
#[test]
fn a_page_of_another_site_asks_a_job_that_knows_it() {
    let Some(mut browser) = Browser::start("a_page_of_another_site_asks_a_job_that_knows_it") else { return };
    let directory = scratch();
    let picture = picture_in(directory.path());
    let (named, other) = (site(examples().join("browser/index.html")), site(examples().join("browser/index.html")));
    let run = TestRun::small().local(1).endless();
    let mut coordinator = run.with(&["--http-origin", &named]).start(&directory.path().join("run"));
    let page = coordinator.page();
    let job = page.trim_end_matches('/');
    let known = coordinator.wait_until(|run| !run.checkpoint.is_empty());
    browser.dress(700, 500, false);
    browser.open(&format!("{named}/?job={job}"));
    browser.wait_for(&format!("document.querySelector('#state').textContent.startsWith('{}: training, ')", known.id));
    let before = browser.text("#state");
    browser.wait_for(&format!("document.querySelector('#state').textContent !== {before:?}"));
    browser.choose_file("#file", &picture);
    browser.wait_for("/^[a-z]+, [0-9.]+ %, by step-[0-9]+$/.test(document.querySelector('#answer').textContent)");
    assert_eq!(browser.text("#trouble"), "");
    browser.keep_picture(&examples().join("../target/pictures/example-browser.png"), false);
    let elsewhere = browser.requests();
    let inside = |request: &String| request.starts_with(&named) || request.starts_with(job) || request == "about:blank";
    assert!(elsewhere.iter().all(inside), "{elsewhere:?}");
    browser.open(&format!("{other}/?job={job}"));
    browser.wait_for("document.querySelector('#trouble').textContent !== ''");
    assert_eq!(browser.text("#state"), "Asking …");
    coordinator.terminate();
    assert_eq!(coordinator.wait().code, 0);
}

#[test]
fn examples_work_while_it_trains() {
    let directory = scratch();
    let picture = picture_in(directory.path());
    let mut coordinator = TestRun::small().local(1).endless().start(&directory.path().join("run"));
    let page = coordinator.page();
    let run = coordinator.wait_until(|run| !run.checkpoint.is_empty() && !run.epochs.is_empty());

    let client = examples().join("client.py");
    let told = said(Command::new(python()).arg(client).arg(coordinator.address()).args([&picture, &picture]));
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with(&format!("{}: ", run.id)) && lines.len() == 3, "{told}");
    assert!(lines[1].contains("a picture.png: ") && lines[1].contains(" by step-"), "{told}");
    // There may be a new checkpoint between the two answers.
    let [first, second] = [lines[1], lines[2]].map(|line| line.rsplit_once(" by ").unwrap());
    assert!(first == second || first.1 != second.1, "{told}");

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
