//! The page as a browser asks for it.

use crate::{
    Access, Answer, Answering, Images, Limits, Model, Names, Page, Refusal, Shown, Streams, assets::ASSETS, serve,
};
use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use bytes::Bytes;
use chronicle::{Alert, Chronicle, Fact};
use http_body_util::BodyExt;
use plan::Confusion;
use proto::v1::{Run, RunState};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use steering::EpochRecord;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    time::{sleep, timeout},
};
use tower::ServiceExt;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

/// A live run whose channels the test holds.
struct Live {
    run: watch::Sender<Run>,
    chronicle: watch::Sender<Chronicle>,
    page: Page,
}

impl Live {
    fn new() -> Self {
        Self::with(Names::Any, |_| {})
    }

    fn with(names: Names, change: impl FnOnce(&mut Shown)) -> Self {
        Self::open_to(Access { names, ..Access::default() }, change)
    }

    fn open_to(access: Access, change: impl FnOnce(&mut Shown)) -> Self {
        let run =
            watch::Sender::new(Run { state: RunState::Training.into(), reason: "steps".to_owned(), ..Run::default() });
        let chronicle = watch::Sender::new(Chronicle::default());
        let mut shown = Shown::new("resnet20", run.subscribe(), chronicle.subscribe());
        change(&mut shown);
        let page = Page::guarded(vec![shown], true, access);
        Self { run, chronicle, page }
    }

    fn add(&self, fact: Fact) {
        self.chronicle.send_modify(|chronicle| chronicle.add(7.0, fact));
    }

    async fn ask(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
        let response = self.page.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes())
    }

    async fn get(&self, path: &str) -> (StatusCode, HeaderMap, Bytes) {
        self.ask(Request::get(path).header("host", "localhost:8080").body(Body::empty()).unwrap()).await
    }

    async fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// A stream of events, after those up to `last`.
    async fn stream(&self, last: Option<&str>) -> Events {
        let mut request = Request::get("/api/stream").header("host", "localhost");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = self.page.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Events(response.into_body())
    }
}

struct Events(Body);

impl Events {
    /// The next event's id, name and data. `None` at the end.
    async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            let frame = timeout(LIMIT, self.0.frame()).await.expect("an event comes")?;
            let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
            let field = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                line.map(|line| line.trim_start_matches(": ").to_owned()).unwrap_or_default()
            };
            if text.contains("event: ") {
                return Some((field("id"), field("event"), serde_json::from_str(&field("data")).unwrap()));
            }
        }
    }

    /// The next that is named so.
    async fn until(&mut self, wanted: &str) -> (String, Value) {
        loop {
            let (id, name, data) = self.next().await.expect("the stream goes on");
            if name == wanted {
                return (id, data);
            }
        }
    }
}

fn record(epoch: u32) -> Fact {
    let confusion = Confusion::from_counts(vec![8, 2, 1, 9]).unwrap();
    let record: EpochRecord = serde_json::from_value(json!({
        "epoch": epoch, "train_loss": 0.5, "train_accuracy": 0.25, "train_images": 20, "test_loss": "NaN",
        "test_accuracy": 0.85, "confusion": confusion, "lr": 0.1, "seconds": 3.0, "train_seconds": 2.0,
        "images_per_second": 10.0, "note": null, "schedule": schedule::ScheduleState::new(0.1),
    }))
    .unwrap();
    Fact::Epoch(Box::new(record))
}

#[tokio::test]
async fn every_file_is_served_with_its_kind_and_kept_by_its_tag() {
    let live = Live::new();
    for (path, kind) in
        [("/", "text/html"), ("/index.html", "text/html"), ("/style.css", "text/css"), ("/app.js", "text/javascript")]
    {
        let (status, headers, body) = live.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(headers[header::CONTENT_TYPE].to_str().unwrap().starts_with(kind), "{path}");
        assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'self'"));
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!body.is_empty());
        let again =
            Request::get(path).header(header::IF_NONE_MATCH, &headers[header::ETAG]).body(Body::empty()).unwrap();
        let (status, _, body) = live.ask(again).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    }
    for path in ["/nothing", "/api/nothing", "/../Cargo.toml", "/api/run?run=1", "/api/confusion"] {
        assert_eq!(live.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(live.get("/api/run?run=x").await.0, StatusCode::BAD_REQUEST);
}

#[test]
fn the_files_are_small_and_need_nothing_from_elsewhere() {
    let all: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
    assert!(all < 150_000, "{all} bytes");
    for asset in ASSETS.iter().filter(|asset| !asset.name.starts_with("uPlot")) {
        let text = std::str::from_utf8(asset.bytes).unwrap();
        let places = text.replace("http://www.w3.org/2000/svg", "").replace("worker --coordinator URL", "");
        for elsewhere in ["http:", "https:", "//cdn", "url(", "@import"] {
            assert!(!places.contains(elsewhere), "{} has {elsewhere}", asset.name);
        }
        // Behind a proxy the page is not at the root.
        for absolute in ["href=\"/", "src=\"/", "'/api", "`/api", "fetch('/", "from '/"] {
            assert!(!places.contains(absolute), "{} has {absolute}", asset.name);
        }
        assert!(
            !places.contains("style=\"") && !places.contains("onclick=\""),
            "{} has what its policy refuses",
            asset.name
        );
    }
    let named = ASSETS.iter().map(|asset| asset.name);
    // What the page itself does not ask for, its first script does, without waiting for one after the other.
    let text = |name: &str| {
        ASSETS.iter().find(|asset| asset.name == name).map(|asset| std::str::from_utf8(asset.bytes).unwrap())
    };
    let page = [text("index.html").unwrap(), text("boot.js").unwrap()].concat();
    for name in named.filter(|name| name.ends_with("js") || name.ends_with("css")) {
        assert!(
            page.contains(&format!("\"{name}\"")) || page.contains(&format!("'{name}'")),
            "the page asks for {name} at once"
        );
    }
}

#[tokio::test]
async fn a_run_is_there_as_json() {
    let live = Live::new();
    live.add(Fact::Run { id: "r1".to_owned(), config: json!({"epochs": 20}) });
    live.add(record(0));
    live.add(record(1));
    live.add(Fact::Event("one".to_owned()));
    live.add(Fact::Event("two".to_owned()));
    live.add(Fact::Checkpoint { name: "epoch-2".to_owned(), steps_done: 9 });
    live.add(Fact::Alert(Alert { kind: "worker-lost".to_owned(), text: "a is lost".to_owned(), ..Alert::default() }));
    let about = live.json("/api/about").await;
    assert_eq!(
        (&about["live"], &about["runs"][0]["config"]["epochs"], &about["runs"][0]["model"]),
        (&json!(true), &json!(20), &json!(false))
    );
    let run = live.json("/api/run").await;
    assert_eq!((&run["state"], &run["reason"]), (&json!("training"), &json!("steps")));
    let epochs = live.json("/api/epochs").await;
    assert_eq!(epochs["columns"]["epoch"], json!([0, 1]));
    assert_eq!(epochs["columns"]["test_accuracy"], json!([0.85, 0.85]));
    assert_eq!(epochs["columns"]["test_loss"], json!([null, null]), "what is no number is none");
    assert_eq!(live.json("/api/events?from=1").await["events"][0]["text"], "two");
    assert_eq!(live.json("/api/history").await["checkpoints"][0]["name"], "epoch-2");
    let told = &live.json("/api/alerts").await["alerts"][0];
    assert_eq!(
        (&told["kind"], &told["text"], &told["number"]),
        (&json!("worker-lost"), &json!("a is lost"), &json!(0))
    );
    let confusion = live.json("/api/confusion?epoch=0").await;
    assert_eq!((&confusion["counts"], &confusion["accuracy"]), (&json!([8, 2, 1, 9]), &json!([0.8, 0.9])));
}

#[tokio::test]
async fn a_history_of_many_members_is_told_in_part() {
    let live = Live::new();
    let members: Vec<String> = (0..900).map(|rank| format!("worker-{rank:04}")).collect();
    for generation in 0..100 {
        live.add(Fact::Generation { generation, members: members.clone(), reason: "somebody came".to_owned() });
    }
    let (_, _, body) = live.get("/api/history").await;
    assert!(body.len() < 500_000, "{} bytes", body.len());
    let history: Value = serde_json::from_slice(&body).unwrap();
    let generations = history["generations"].as_array().unwrap();
    assert_eq!((generations.len(), &history["left_out"]), (22, &json!(78)));
    assert_eq!(generations[21]["generation"], 99, "the newest are told");
    for generation in 100..5000 {
        live.add(Fact::Generation { generation, members: vec!["a".to_owned()], reason: String::new() });
    }
    let history = live.json("/api/history").await;
    assert_eq!(history["generations"].as_array().unwrap().len(), 2000);
}

#[tokio::test]
async fn a_reader_hears_what_happens_and_goes_on_where_it_was() {
    let live = Live::new();
    let mut events = live.stream(None).await;
    let (_, name, data) = events.next().await.unwrap();
    assert_eq!((name.as_str(), &data), ("hello", &json!({"version": 0})));
    assert_eq!(events.until("run").await.1["state"], "training");
    live.add(record(0));
    live.add(Fact::Event("first".to_owned()));
    let (_, epoch) = events.until("epoch").await;
    assert_eq!((&epoch["epoch"], &epoch["test_loss"]), (&json!(0), &Value::Null));
    let (seen, event) = events.until("event").await;
    assert_eq!(event["text"], "first");
    drop(events);
    // While nobody listens.
    live.add(Fact::Event("second".to_owned()));
    live.run.send_modify(|run| run.step = 5);
    let mut other = live.stream(Some(&seen)).await;
    let (last, event) = other.until("event").await;
    assert_eq!(event["text"], "second", "and nothing that it knows");
    let mut third = live.stream(Some(&last)).await;
    assert_eq!(third.next().await.unwrap().1, "run", "it has missed nothing");
    for strange in ["", "1-0", "another", &seen.replace('-', "-99")] {
        assert_eq!(live.stream(Some(strange)).await.next().await.unwrap().1, "hello", "{strange}");
    }
}

#[tokio::test]
async fn many_changes_are_told_together() {
    let live = Live::new();
    let mut events = live.stream(None).await;
    events.until("run").await;
    let begin = tokio::time::Instant::now();
    let mut told = 0;
    for step in 0..200 {
        live.run.send_modify(|run| run.step = step);
        sleep(Duration::from_millis(5)).await;
    }
    while events.until("run").await.1["step"] != 199 {
        told += 1;
    }
    let most = begin.elapsed().as_millis() / 250 + 2;
    assert!(told <= most, "{told} views in {:?}", begin.elapsed());
}

#[tokio::test]
async fn a_reader_that_is_behind_is_sent_away_and_a_page_that_closes_ends_all() {
    let live = Live::new();
    let mut slow = live.stream(None).await;
    let mut quick = live.stream(None).await;
    quick.until("run").await;
    assert_eq!(live.page.readers(), 2);
    for number in 0..400 {
        live.add(Fact::Event(number.to_string()));
        if number % 100 == 99 {
            while quick.until("event").await.1["text"] != number.to_string().as_str() {}
        }
    }
    let mut heard = 0;
    while let Some((_, name, _)) = slow.next().await {
        heard += usize::from(name == "event");
    }
    assert!(heard < 400, "it has missed some, and is not told the rest as if it had not");
    drop(slow);
    assert_eq!(live.page.readers(), 1);
    live.page.close();
    while quick.next().await.is_some() {}
    assert_eq!(live.get("/api/stream").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn there_are_so_many_readers_and_no_more() {
    let live = Live::new();
    let mut readers = Vec::new();
    for _ in 0..512 {
        readers.push(live.stream(None).await);
    }
    assert_eq!(live.get("/api/stream").await.0, StatusCode::SERVICE_UNAVAILABLE);
    readers.pop();
    live.stream(None).await;
}

#[tokio::test]
async fn readers_leave_places_to_plain_requests() {
    const CONNECTIONS: usize = 8;
    let access = Access { streams: Streams::of(CONNECTIONS), ..Access::default() };
    let live = Live::open_to(access, |_| {});
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (close, closed) = oneshot::channel::<()>();
    let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
    let server = tokio::spawn(serve(listener, live.page.router(), limits, async { drop(closed.await) }));
    let ask = async |path: &str| {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        let mut status = [0; 12];
        timeout(LIMIT, connection.read_exact(&mut status)).await.unwrap().unwrap();
        (String::from_utf8(status[9..].to_vec()).unwrap(), connection)
    };
    let mut readers = Vec::new();
    for _ in 0..CONNECTIONS / 2 {
        let (status, reader) = ask("/api/stream").await;
        assert_eq!(status, "200");
        readers.push(reader);
    }
    // One more reader is told so, and others are answered, whoever keeps a connection.
    assert_eq!(ask("/api/stream").await.0, "503");
    let mut kept = Vec::new();
    for _ in 0..4 * CONNECTIONS {
        let (status, mut connection) = ask("/api/run").await;
        assert_eq!(status, "200");
        if kept.len() < CONNECTIONS / 4 {
            kept.push(connection);
        } else {
            timeout(LIMIT, connection.read_to_end(&mut Vec::new())).await.expect("it is not kept").unwrap();
        }
    }
    drop(readers);
    let begin = tokio::time::Instant::now();
    while live.page.readers() > 0 {
        assert!(begin.elapsed() < LIMIT, "they keep their places");
        live.add(Fact::Event("anybody there".to_owned()));
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ask("/api/stream").await.0, "200");
    live.page.close();
    drop(close);
    server.await.unwrap();
}

#[tokio::test]
async fn only_pages_of_sites_that_were_named_may_ask() {
    let named = "http://localhost:8000";
    let access = Access { origins: vec![named.parse().unwrap()], ..Access::default() };
    let live = Live::open_to(access, |shown| shown.model = Some(Arc::new(FirstByte)));
    let from = |origin: &str, mut request: Request<Body>| {
        request.headers_mut().insert("origin", origin.parse().unwrap());
        request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
        request
    };
    let before = || {
        let asked = Request::options("/api/predict").header("host", "localhost");
        asked.header("access-control-request-method", "POST").body(Body::empty()).unwrap()
    };
    for (origin, may) in [(named, true), ("http://localhost:8001", false), ("null", false)] {
        let allowed = |headers: &HeaderMap| headers.get("access-control-allow-origin").is_some_and(|of| of == origin);
        let (_, headers, _) = live.ask(from(origin, before())).await;
        assert_eq!(allowed(&headers), may, "{origin}");
        let (status, headers, _) = live.ask(from(origin, post(vec![1]))).await;
        assert_eq!((status == StatusCode::OK, allowed(&headers)), (may, may), "{origin}: {status}");
        let read = Request::get("/api/run").header("host", "localhost").body(Body::empty()).unwrap();
        assert_eq!(allowed(&live.ask(from(origin, read)).await.1), may, "{origin}");
    }
}

#[tokio::test]
async fn a_page_on_loopback_is_asked_for_by_its_own_name() {
    let live = Live::with(Names::Only(Vec::new()), |_| {});
    assert_eq!(live.get("/api/run").await.0, StatusCode::OK);
    let other = Request::get("/api/run").header("host", "evil.example").body(Body::empty()).unwrap();
    let (status, _, body) = live.ask(other).await;
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    assert!(String::from_utf8_lossy(&body).contains("Host: localhost"));
}

/// Takes the first byte of a picture for its class.
#[derive(Debug)]
struct FirstByte;

impl Model for FirstByte {
    fn of_file(&self, file: Bytes) -> Answering<'_> {
        Box::pin(async move {
            match file[0] {
                byte @ 0..3 => Ok(answer(byte)),
                _ => Err(Refusal::Picture("this is neither a PNG nor a JPEG file".to_owned())),
            }
        })
    }

    fn of_pixels(&self, planes: Vec<u8>) -> Answering<'_> {
        Box::pin(async move { Ok(answer(planes[0] % 3)) })
    }
}

fn answer(class: u8) -> Answer {
    let probabilities = (0..3).map(|other| if other == class { 0.8 } else { 0.1 }).collect();
    Answer { probabilities, checkpoint: "epoch-1".to_owned() }
}

fn post(body: Vec<u8>) -> Request<Body> {
    Request::builder().method(Method::POST).uri("/api/predict").header("host", "localhost").body(body.into()).unwrap()
}

#[tokio::test]
async fn a_picture_is_answered_and_what_is_none_is_told_why() {
    let live = Live::with(Names::Any, |shown| shown.model = Some(Arc::new(FirstByte)));
    let (status, _, body) = live.ask(post(vec![2, 0])).await;
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &answer["class"], &answer["checkpoint"]), (StatusCode::OK, &json!(2), &json!("epoch-1")));
    let (status, _, body) = live.ask(post(vec![9])).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(String::from_utf8_lossy(&body).contains("neither a PNG"));
    assert_eq!(live.ask(post(Vec::new())).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(live.ask(post(vec![1; (16 << 20) + 1])).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let mut foreign = post(vec![1]);
    foreign.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
    assert_eq!(live.ask(foreign).await.0, StatusCode::FORBIDDEN);
    assert_eq!(Live::new().ask(post(vec![1])).await.0, StatusCode::NOT_FOUND, "without a model");
}

/// 40 images of 1x1 in three colours. Their first byte is their number, and their label 0, 1, 2, 0, ...
fn dataset(folder: &std::path::Path) -> data::Dataset {
    let records: Vec<u8> = (0..40u8).flat_map(|number| [number % 3, number, 0, 0]).collect();
    let path = folder.join("images");
    std::fs::write(&path, records).unwrap();
    let blob = data::blob_of(&path).unwrap();
    let spec: data::DatasetSpec = serde_json::from_value(json!({
        "name": "small",
        "shape": {"channels": 3, "height": 1, "width": 1},
        "classes": ["a", "b", "c"],
        "normalisation": {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]},
        "record": {"labels": 1, "label": 0},
        "train": [blob],
        "test": [blob],
    }))
    .unwrap();
    data::Dataset::open(&Arc::new(spec), data::Split::Test, None, |_| path.clone()).unwrap()
}

#[tokio::test]
async fn images_come_with_what_the_model_takes_them_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let live = Live::with(Names::Any, |shown| {
        shown.model = Some(Arc::new(FirstByte));
        shown.images = Some(Arc::new(Images::new(move || Ok(dataset(&path)))));
    });
    let (status, headers, body) = live.get("/api/image/test/7.png").await;
    assert_eq!((status, &headers[header::CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, &"image/png"));
    assert!(body.starts_with(b"\x89PNG"));
    for missing in ["test/40.png", "train/1.png", "test/x.png", "test/7"] {
        assert_eq!(live.get(&format!("/api/image/{missing}")).await.0, StatusCode::NOT_FOUND, "{missing}");
    }
    let grid = live.json("/api/grid?from=38").await;
    assert_eq!(grid["guesses"].as_array().unwrap().len(), 2);
    assert_eq!((&grid["guesses"][1]["image"], &grid["guesses"][1]["truth"]), (&json!(39), &json!(0)));
    assert_eq!(live.json("/api/grid?from=99").await["guesses"], json!([]));
    live.run.send_modify(|run| run.checkpoint = "epoch-1".to_owned());
    // The first to ask begins the search.
    let found = loop {
        let found = live.json("/api/mistakes?truth=1&answer=1").await;
        if found["progress"].is_null() {
            break found;
        }
        sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(
        (&found["count"], &found["checkpoint"], &found["is_newest"]),
        (&json!(13), &json!("epoch-1"), &json!(true))
    );
    assert_eq!(live.json("/api/mistakes").await["count"], 0, "it makes none");
}

#[tokio::test]
async fn who_takes_nothing_is_cut_off_and_a_server_that_closes_waits_for_nobody() {
    let live = Live::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (close, closed) = oneshot::channel::<()>();
    let limits = Limits { taking: Duration::from_millis(300), connections: 2, ..Limits::default() };
    let server = tokio::spawn(serve(listener, live.page.router(), limits, async { drop(closed.await) }));
    let mut reader = TcpStream::connect(address).await.unwrap();
    reader.write_all(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    reader.read_exact(&mut [0; 15]).await.unwrap();
    assert_eq!(live.page.readers(), 1);
    // It reads no more, and what it does not take soon fills the buffers on the way.
    let long = "x".repeat(1 << 20);
    let begin = tokio::time::Instant::now();
    while live.page.readers() > 0 {
        assert!(begin.elapsed() < LIMIT, "it keeps its place");
        live.add(Fact::Event(long.clone()));
        sleep(Duration::from_millis(50)).await;
    }
    let mut other = TcpStream::connect(address).await.unwrap();
    other.write_all(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    other.read_exact(&mut [0; 15]).await.unwrap();
    live.page.close();
    drop(close);
    timeout(Duration::from_secs(1), server).await.expect("streams end at once").unwrap();
}
