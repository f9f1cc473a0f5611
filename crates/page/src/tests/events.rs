//! Readers of what happens.

use super::{Live, record};
use axum::http::StatusCode;
use chronicle::Fact;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

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
