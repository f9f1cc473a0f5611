//! Who may ask.

use super::{FirstByte, Live, post};
use crate::{Access, Names};
use axum::{
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use std::sync::Arc;

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
