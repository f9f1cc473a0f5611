//! What is served on the page's port beside it: the standard protocol for predictions, and figures for Prometheus.

use crate::services::COPIES;
use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use chronicle::Chronicle;
use http::header;
use inference::{Budget, Memory, Refused};
use open_inference::{Backend, Failure, LARGEST_BODY};
use proto::v1::Run;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};

/// From the first byte of a request to its answer.
const REQUEST: Duration = Duration::from_mins(1);
/// What a body in JSON takes while it is understood, in times its own bytes: `0,` has two, and 32 in memory.
const JSON_COPIES: u64 = 24;
/// How many bytes of a body are JSON, where more follow.
const JSON_LENGTH: &str = "Inference-Header-Content-Length";
/// Where bodies are JSON.
const STANDARD: &str = "/v2/";

/// What is served beside the page, and the memory that requests on its port may take.
#[derive(Debug, Clone)]
pub struct Others {
    router: Router,
    requests: Budget,
}

impl Others {
    /// The standard protocol before `backend`, and `/metrics` of the run.
    pub fn new(
        backend: Arc<dyn Backend>,
        requests: Budget,
        run: watch::Receiver<Run>,
        chronicle: watch::Receiver<Chronicle>,
    ) -> Self {
        let metrics = get(async move || {
            // Never two of them at a time: who waits to write one would hold up the other.
            let run = run.borrow().clone();
            ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(&run, &chronicle.borrow()))
        });
        Self { router: open_inference::router(backend).route("/metrics", metrics), requests }
    }

    /// What is served.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// `all` that is served on the port, once there is memory for a request.
    pub fn admitted(&self, all: Router) -> Router {
        all.layer(from_fn_with_state(self.requests.clone(), admit))
    }
}

/// What a request may take in memory, in bytes.
fn need(request: &Request) -> u64 {
    let number = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // A body of unknown length may be as long as any; a request without a body says so by its method.
    let unknown = if request.method().is_safe() { 0 } else { LARGEST_BODY as u64 };
    let length = number(header::CONTENT_LENGTH.as_str()).unwrap_or(unknown).min(LARGEST_BODY as u64);
    let json =
        if request.uri().path().starts_with(STANDARD) { number(JSON_LENGTH).unwrap_or(length).min(length) } else { 0 };
    JSON_COPIES * json + COPIES * (length - json)
}

/// Lets a request in when there is memory for its body.
async fn admit(State(budget): State<Budget>, request: Request, next: Next) -> Response {
    let need = need(&request);
    let answer = async {
        match budget.share(need).await {
            Ok(_share) => next.run(request).await,
            Err(Refused::Busy) => {
                Failure::Busy("too many requests wait to be read; try again later".to_owned()).into_response()
            }
            Err(Refused::TooMuch) => {
                let mib = Memory::mib_for_request(need);
                let why = format!(
                    "the request takes more memory than the coordinator gives; ask about fewer images at \
                     a time, or raise --predict-memory of the coordinator to {mib}"
                );
                Failure::TooLarge(why).into_response()
            }
        }
    };
    let late = || Failure::Late(format!("the request took longer than {} s", REQUEST.as_secs())).into_response();
    timeout(REQUEST, answer).await.unwrap_or_else(|_| late())
}
