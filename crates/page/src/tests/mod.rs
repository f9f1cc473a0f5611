//! The page as a browser asks for it. What all of these tests share is here.

mod access;
mod connections;
mod events;
mod files;
mod json;
mod pictures;

use crate::{Access, Answer, Answering, Model, Names, Page, Refusal, Shown};
use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use bytes::Bytes;
use chronicle::{Chronicle, Fact};
use http_body_util::BodyExt;
use plan::Confusion;
use proto::v1::{Run, RunState};
use serde_json::{Value, json};
use std::time::Duration;
use steering::EpochRecord;
use tokio::{sync::watch, time::timeout};
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
