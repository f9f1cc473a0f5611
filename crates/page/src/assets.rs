//! The files of the page. They are in the program, so that it works without any network.

use crate::page::Inner;
use axum::{
    Router,
    extract::Request,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

/// A file of the page.
pub(crate) struct Asset {
    /// Its name, relative to the page.
    pub(crate) name: &'static str,
    kind: &'static str,
    pub(crate) bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($name:literal, $kind:expr) => {
        Asset { name: $name, kind: $kind, bytes: include_bytes!(concat!("../assets/", $name)) }
    };
}

/// All of them. The first is the page itself.
pub(crate) const ASSETS: [Asset; 18] = [
    asset!("index.html", HTML),
    asset!("style.css", CSS),
    asset!("alerts.js", SCRIPT),
    asset!("app.js", SCRIPT),
    asset!("boot.js", SCRIPT),
    asset!("classes.js", SCRIPT),
    asset!("curves.js", SCRIPT),
    asset!("dom.js", SCRIPT),
    asset!("log.js", SCRIPT),
    asset!("marks.js", SCRIPT),
    asset!("model.js", SCRIPT),
    asset!("now.js", SCRIPT),
    asset!("store.js", SCRIPT),
    asset!("view.js", SCRIPT),
    asset!("workers.js", SCRIPT),
    asset!("uPlot.iife.min.js", SCRIPT),
    asset!("uPlot.min.css", CSS),
    asset!("uPlot.LICENSE", "text/plain; charset=utf-8"),
];

/// Serves them.
pub(crate) fn router() -> Router<Arc<Inner>> {
    let mut router =
        Router::new().route("/", get(|request: Request| async move { answer(&ASSETS[0], request.headers()) }));
    for asset in &ASSETS {
        let path = format!("/{}", asset.name);
        router = router.route(&path, get(move |request: Request| async move { answer(asset, request.headers()) }));
    }
    router
}

fn answer(asset: &'static Asset, asked: &HeaderMap) -> Response {
    let tag = tag(asset.bytes);
    let known = asked.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).is_some_and(|tags| {
        tags.split(',').map(|known| known.trim().trim_start_matches("W/")).any(|known| known == tag || known == "*")
    });
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { asset.bytes.into_response() };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    // Another version of the program may be on the same port tomorrow: browsers keep it, and ask whether it is the same.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    response
}

/// The same for the same bytes, in quotes.
fn tag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
