//! What is served on the page's port beside it: the standard protocol for predictions, figures for Prometheus, and gRPC-Web.

use crate::{
    error::Error,
    services::COPIES,
    web::{
        grpc_web::{self, GrpcWeb},
        paced::Paced,
    },
};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use chronicle::Chronicle;
use http::header;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use inference::{Budget, Memory, Refused};
use open_inference::{Backend, Failure, LARGEST_BODY};
use page::{Page, Streams};
use proto::v1::Run;
use std::{sync::Arc, time::Duration};
use tokio::{sync::watch, time::timeout};
use tonic::service::Routes;

/// From the first byte of a request to its answer.
const REQUEST: Duration = Duration::from_mins(1);
/// What a body in JSON takes while it is understood, in times its own bytes: `0,` has two, and 32 in memory.
const JSON_COPIES: u64 = 24;
/// How many bytes of a body are JSON, where more follow.
const JSON_LENGTH: &str = "Inference-Header-Content-Length";
/// Where bodies are JSON.
const STANDARD: &str = "/v2/";
/// The most bytes of a body that does not say its length. Its memory is taken before it comes.
const UNTOLD: u64 = 4 << 20;

/// What is served beside the page, and the memory that requests on its port may take.
#[derive(Debug, Clone)]
pub struct Others {
    router: Router,
    requests: Budget,
    services: Routes,
}

impl Others {
    /// The standard protocol before `backend`, `/metrics` of the run, and `services` over gRPC-Web.
    pub fn new(
        backend: Arc<dyn Backend>,
        services: Routes,
        requests: Budget,
        run: watch::Receiver<Run>,
        chronicle: watch::Receiver<Chronicle>,
    ) -> Self {
        let metrics = get(async move || {
            // Never two of them at a time: who waits to write one would hold up the other.
            let run = run.borrow().clone();
            ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::text(&run, &chronicle.borrow()))
        });
        Self { router: open_inference::router(backend).route("/metrics", metrics), requests, services }
    }

    /// `page` and all else that is served on the port. Requests wait until there is memory for them. Those of gRPC-Web do so where
    /// the services take them, as on the port for gRPC.
    ///
    /// # Errors
    /// If there is nothing to be said of the services.
    pub fn beside(&self, page: &Page, streams: Streams) -> Result<Router, Error> {
        let services = GrpcWeb::new(self.services.clone(), streams)?;
        Ok(page.router_with(self.router.clone(), |all| {
            let admitted = all.layer(from_fn_with_state(self.requests.clone(), admit));
            admitted.layer(from_fn_with_state(services, grpc_web::answer))
        }))
    }
}

/// The bytes of a body; `None` if it does not say.
fn length(request: &Request) -> Option<u64> {
    // One that is none has a length, and no header.
    number(request, header::CONTENT_LENGTH.as_str()).or_else(|| request.body().size_hint().exact())
}

fn number(request: &Request, name: &str) -> Option<u64> {
    request.headers().get(name)?.to_str().ok()?.parse().ok()
}

/// What a request may take in memory, in bytes.
fn need(request: &Request) -> u64 {
    let length = length(request).unwrap_or(UNTOLD).min(LARGEST_BODY as u64);
    let json = if request.uri().path().starts_with(STANDARD) {
        number(request, JSON_LENGTH).unwrap_or(length).min(length)
    } else {
        0
    };
    JSON_COPIES * json + COPIES * (length - json)
}

/// `body` in whole, if it is not longer than one may be that does not say its length.
async fn whole(body: Body) -> Result<Body, Failure> {
    match Limited::new(body, UNTOLD as usize).collect().await {
        Ok(all) => Ok(Body::from(all.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(Failure::TooLarge(format!(
            "a body that does not say its length may have {UNTOLD} bytes: send Content-Length, instead of \
             Transfer-Encoding: chunked"
        ))),
        Err(error) => Err(Failure::Invalid(format!("the body did not come: {error}"))),
    }
}

/// The answer to a request whose body has to come as fast as on the port for gRPC.
async fn run_at_pace(budget: &Budget, request: Request, next: Next) -> Response {
    let untold = length(&request).is_none();
    let (parts, body) = request.into_parts();
    let (body, too_slow) = Paced::new(body, budget.clone());
    let body = Body::new(body);
    let answer = async {
        let body = if untold { whole(body).await } else { Ok(body) };
        match body {
            Ok(body) => next.run(Request::from_parts(parts, body)).await,
            Err(failure) => failure.into_response(),
        }
    };
    tokio::select! {
        biased;
        Ok(why) = too_slow => Failure::Busy(why).into_response(),
        response = answer => response,
    }
}

/// Lets a request in when there is memory for its body.
async fn admit(State(budget): State<Budget>, request: Request, next: Next) -> Response {
    let need = need(&request);
    let answer = async {
        match budget.share(need).await {
            Ok(_share) if need == 0 => next.run(request).await,
            Ok(_share) => run_at_pace(&budget, request, next).await,
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Bytes, extract::DefaultBodyLimit, routing::post};
    use http::{Method, StatusCode};
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::mpsc;
    use tokio_stream::{StreamExt, wrappers::ReceiverStream};
    use tower_service::Service;

    /// A request whose body is as long as is said and comes through a channel.
    fn slow(length: u64) -> (mpsc::Sender<Bytes>, Request) {
        let (bytes, body) = mpsc::channel(1);
        let frames =
            ReceiverStream::new(body).map(|data| Ok::<_, std::convert::Infallible>(http_body::Frame::data(data)));
        let request = Request::builder().method(Method::POST).uri("/take").header("content-length", length);
        (bytes, request.body(Body::new(StreamBody::new(frames))).unwrap())
    }

    #[tokio::test]
    async fn who_sends_little_keeps_no_memory_from_others() {
        let length = 1 << 20;
        let budget = Budget::new(COPIES * length, 4, Duration::from_secs(20));
        let router = Router::new().route("/take", post(async |body: Bytes| body.len().to_string()));
        let mut router = router.layer(from_fn_with_state(budget.clone(), admit));
        let (bytes, request) = slow(length);
        let mut first = tokio::spawn(router.call(request));
        bytes.send(Bytes::from_static(b"a little")).await.unwrap();
        // As long as nobody waits it may take its time.
        assert!(timeout(Duration::from_millis(1500), &mut first).await.is_err());
        let other = Request::post("/take").header("content-length", length).body(Body::from(vec![0; length as usize]));
        let other = tokio::spawn(router.call(other.unwrap()));
        let response = timeout(Duration::from_secs(5), first).await.expect("it is given up").unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let why = response.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&why).contains("too slow while others wait"), "{why:?}");
        let response = timeout(Duration::from_secs(5), other).await.expect("there is room for it").unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }

    fn chunked(method: Method, path: &str, pieces: usize) -> Request {
        let pieces = tokio_stream::iter((0..pieces).map(|_| Bytes::from(vec![b'x'; 1 << 18])));
        let frames = pieces.map(|data| Ok::<_, std::convert::Infallible>(http_body::Frame::data(data)));
        Request::builder().method(method).uri(path).body(Body::new(StreamBody::new(frames))).unwrap()
    }

    #[tokio::test]
    async fn a_body_that_does_not_say_its_length_takes_what_such_a_one_may_have() {
        // Enough for one of them in JSON, and far from enough for the largest body.
        let budget = Budget::new(JSON_COPIES * UNTOLD, 4, Duration::from_secs(20));
        let router = Router::new().route("/v2/take", post(async |body: Bytes| body.len().to_string()));
        let router = router.layer(DefaultBodyLimit::disable());
        let mut router = router.layer(from_fn_with_state(budget, admit));
        let mut ask = async |request: Request| {
            let response = router.call(request).await.unwrap();
            let status = response.status();
            (status, String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
        };
        assert_eq!(ask(chunked(Method::POST, "/v2/take", 16)).await, (StatusCode::OK, UNTOLD.to_string()));
        let (status, told) = ask(chunked(Method::POST, "/v2/take", 17)).await;
        assert!(status == StatusCode::PAYLOAD_TOO_LARGE && told.contains("send Content-Length"), "{status}: {told}");
        // Without a body there is nothing to take memory for, whatever the method.
        assert_eq!(ask(Request::post("/v2/take").body(Body::empty()).unwrap()).await, (StatusCode::OK, "0".to_owned()));
        let (status, _) = ask(chunked(Method::PUT, "/v2/take", 1)).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
