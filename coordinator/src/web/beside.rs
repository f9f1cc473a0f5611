//! What is served on the page's port beside it: the standard protocol for predictions, and figures for Prometheus.

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

/// Requests that wait for memory, and how long.
const WAITING: usize = 256;
const WAIT: Duration = Duration::from_secs(20);
/// From the first byte of a request to its answer.
const REQUEST: Duration = Duration::from_mins(1);
/// A body is there twice while it is understood.
const COPIES: u64 = 2;

/// The standard protocol before `backend`, whose requests take their part of `memory`, and `/metrics` of the run.
pub fn beside(
    backend: Arc<dyn Backend>,
    memory: Memory,
    run: watch::Receiver<Run>,
    chronicle: watch::Receiver<Chronicle>,
) -> Router {
    let budget = Budget::new(memory.requests(), WAITING, WAIT);
    let standard = open_inference::router(backend).layer(from_fn_with_state(budget, admit));
    let metrics = get(async move || {
        let text = metrics::text(&run.borrow(), &chronicle.borrow());
        ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
    });
    standard.route("/metrics", metrics)
}

/// Lets a request in when there is memory for its body.
async fn admit(State(budget): State<Budget>, request: Request, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    // A body of unknown length may be as long as any; a request without a body says so by its method.
    let unknown = if request.method().is_safe() { 0 } else { LARGEST_BODY as u64 };
    let length: u64 = length.unwrap_or(unknown).min(LARGEST_BODY as u64);
    let answer = async {
        match budget.share(COPIES * length).await {
            Ok(_share) => next.run(request).await,
            Err(Refused::Busy) => {
                Failure::Busy("too many requests wait to be read; try again later".to_owned()).into_response()
            }
            Err(Refused::TooMuch) => {
                let mib = Memory::mib_for_request(COPIES * length);
                let why = format!(
                    "a request of {length} bytes takes more memory than the coordinator gives; ask about fewer images at \
                     a time, or raise --predict-memory of the coordinator to {mib}"
                );
                Failure::TooLarge(why).into_response()
            }
        }
    };
    let late = || Failure::Late(format!("the request took longer than {} s", REQUEST.as_secs())).into_response();
    timeout(REQUEST, answer).await.unwrap_or_else(|_| late())
}
