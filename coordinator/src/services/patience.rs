//! The time that a client gives for its answer, as it says in `grpc-timeout`.

use super::detailed;
use http::{HeaderMap, Request, Response};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::sleep;
use tonic::{Code, Status};
use tower_layer::Layer;
use tower_service::Service;

/// Where a client says how long it waits.
const TIMEOUT: &str = "grpc-timeout";

/// Puts the clients' patience before all services.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience;

/// A service that answers DEADLINE_EXCEEDED when the client's time is over.
///
/// Without it tonic answers CANCELLED then, which says that the client has gone. A client tries again, or does not, by that word.
#[derive(Debug, Clone)]
pub(crate) struct Patient<S>(S);

impl<S> Layer<S> for Patience {
    type Service = Patient<S>;

    fn layer(&self, service: S) -> Patient<S> {
        Patient(service)
    }
}

impl<S, B, R> Service<Request<B>> for Patient<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Default + Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Begun at once, so that it is over before tonic's own.
        let over = given(request.headers()).map(|time| (time, sleep(time)));
        let answer = self.0.call(request);
        Box::pin(async move {
            let Some((time, over)) = over else { return answer.await };
            tokio::select! {
                biased;
                answered = answer => answered,
                () = over => Ok(late(time).into_http()),
            }
        })
    }
}

fn late(time: Duration) -> Status {
    let why = format!("the client gave {} s, which are over", time.as_secs_f64());
    detailed(Code::DeadlineExceeded, &why, "DEADLINE", None)
}

/// What a client gives, by the protocol: up to eight digits and a unit. `None` if it says nothing, or what is no time.
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
fn given(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use std::{
        convert::Infallible,
        future::{Ready, pending, ready},
    };
    use tonic::body::Body;

    fn headers(timeout: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(TIMEOUT), timeout.parse().unwrap())])
    }

    #[test]
    fn what_a_client_gives_is_understood() {
        let millis = |text: &str| given(&headers(text)).map(|time| time.as_millis());
        assert_eq!(
            ["1H", "2M", "3S", "40m", "5000u", "6000000n"].map(millis),
            [3_600_000, 120_000, 3000, 40, 5, 6].map(Some)
        );
        assert_eq!(["", "m", "1", "123456789m", "-1m", "1.5S", "1x", "1ä"].map(millis), [None; 8]);
        assert_eq!(given(&HeaderMap::new()), None);
    }

    struct Never;
    struct AtOnce;

    impl Service<Request<()>> for Never {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = std::future::Pending<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            pending()
        }
    }

    impl Service<Request<()>> for AtOnce {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            ready(Ok(Response::default()))
        }
    }

    #[tokio::test]
    async fn who_gives_no_more_time_is_told_that_it_is_over() {
        let request = || Request::builder().header(TIMEOUT, "1m").body(()).unwrap();
        let Ok(response) = Patience.layer(Never).call(request()).await;
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(
            (status.code(), status.message()),
            (Code::DeadlineExceeded, "the client gave 0.001 s, which are over")
        );
        let Ok(response) = Patience.layer(AtOnce).call(request()).await;
        assert!(Status::from_header_map(response.headers()).is_none(), "it is answered in time");
    }
}
