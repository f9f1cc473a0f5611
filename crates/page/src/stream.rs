//! A reader of what happens.

use crate::page::Inner;
use axum::{
    body::Body,
    extract::State,
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use std::{convert::Infallible, sync::Arc};
use tokio_stream::{StreamExt, iter, once, wrappers::BroadcastStream};

/// How long a browser waits before it comes back.
const RETRY: &[u8] = b"retry: 1000\n\n";

/// What happens, as server-sent events. A reader that is too far behind is sent away, and comes back.
pub(crate) async fn stream(State(page): State<Arc<Inner>>, headers: HeaderMap) -> Response {
    let Some(hub) = &page.hub else {
        return (StatusCode::NOT_FOUND, "Nothing happens any more in a run that is over\n").into_response();
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let place = page.access.streams.place();
    let Some((place, subscription)) = place.and_then(|place| Some((place, hub.subscribe(last)?))) else {
        return (StatusCode::SERVICE_UNAVAILABLE, "Too many pages are open, or the coordinator ends\n").into_response();
    };
    // It ends where a part is missing: what follows would not fit.
    let later = BroadcastStream::new(subscription.later).map_while(Result::ok);
    let frames = once(Bytes::from_static(RETRY)).chain(iter(subscription.first)).chain(later);
    let body = Body::from_stream(frames.map(Ok::<_, Infallible>));
    let mut response = place.held_by(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would collect it.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
