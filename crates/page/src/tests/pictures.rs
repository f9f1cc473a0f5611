//! Pictures that a person gives, and those of the test set.

use super::{FirstByte, Live, post};
use crate::{Images, Names};
use axum::http::{StatusCode, header};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

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
    let (status, _, body) = live.ask(post(vec![1; (16 << 20) + 1])).await;
    let why = String::from_utf8_lossy(&body);
    assert_eq!(
        (status, &*why),
        (StatusCode::PAYLOAD_TOO_LARGE, "A picture has at most 16 MiB: send a smaller version of it\n")
    );
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
