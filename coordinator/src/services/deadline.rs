//! A deadline for requests that are small: who sends half of one keeps nothing for long.

use crate::services::SAVED;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::timeout;
use tonic::{Status, body::Body, server::NamedService};
use tower_service::Service;

/// The call whose request takes long. It is waited for piece by piece where it is taken.
const LONG: &str = "/PutState";
/// The call whose answer takes long, as it waits for a disk.
const SAVE: &str = "/SaveCheckpoint";

/// A service whose requests have a deadline to be taken in and begun to be answered.
#[derive(Debug, Clone)]
pub struct Timely<S> {
    inner: S,
    time: Duration,
}

impl<S> Timely<S> {
    /// Before `inner`.
    #[must_use]
    pub fn new(inner: S, time: Duration) -> Self {
        Self { inner, time }
    }
}

impl<S: NamedService> NamedService for Timely<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Timely<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let long = request.uri().path().ends_with(LONG);
        let time = if request.uri().path().ends_with(SAVE) { self.time + SAVED } else { self.time };
        let answer = self.inner.call(request);
        Box::pin(async move {
            if long {
                return answer.await;
            }
            timeout(time, answer).await.unwrap_or_else(|_| {
                let why = format!("the request was not there, or not answered, within {} s", time.as_secs_f64());
                Ok(Status::deadline_exceeded(why).into_http())
            })
        })
    }
}
