//! Predictions are let in one by one: the memory of a request is counted before it is read.

use crate::services::{
    busy,
    fields::Fields,
    late,
    messages::{Admissions, Messages},
    pace::{Pace, too_slow},
};
use ::inference::{Budget, Memory, Refused, Share};
use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::BodyExt;
use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::timeout;
use tonic::{Status, body::Body, server::NamedService};
use tower_service::Service;

/// A picture of any sensible size fits.
pub const LARGEST_MESSAGE: usize = 32 << 20;
/// Requests that wait for memory.
const WAITING: usize = 256;
/// How long they wait.
const WAIT: Duration = Duration::from_secs(20);
/// From its first byte to the answer.
pub(super) const REQUEST: Duration = Duration::from_mins(1);
/// Before a message of gRPC: whether it is compressed, and four bytes of length.
pub(super) const HEAD: usize = 5;
/// A message is there twice while it is decoded.
pub const COPIES: u64 = 2;

/// That the memory of a request was counted: it is given back when the last of these is dropped.
#[derive(Debug, Clone)]
pub struct Admitted(#[allow(dead_code, reason = "held until it is dropped")] Arc<Share>);

impl Admitted {
    pub(super) fn new(share: Share) -> Self {
        Self(Arc::new(share))
    }
}

/// The call that has many messages.
const STREAM: &str = "/PredictStream";

/// The memory that requests may take of what predictions may.
#[must_use]
pub fn requests(memory: Memory) -> Budget {
    Budget::new(memory.requests(), WAITING, WAIT).leaving_some_to_small()
}

/// A service whose requests wait until there is memory for them.
#[derive(Debug, Clone)]
pub struct Admission<S> {
    service: S,
    memory: Budget,
    /// What a request takes, in times its own bytes.
    copies: u64,
}

impl<S> Admission<S> {
    /// Before `service`, whose requests take their part of `memory`. Each takes `copies` times its own bytes.
    #[must_use]
    pub fn new(service: S, memory: Budget, copies: u64) -> Self {
        Self { service, memory, copies }
    }
}

impl<S: NamedService> NamedService for Admission<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Admission<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        // The one that is ready; the clone becomes so for the next request.
        let clone = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, clone);
        let (memory, copies) = (self.memory.clone(), self.copies);
        if request.uri().path().ends_with(STREAM) {
            return Box::pin(service.call(admit_stream(memory, request)));
        }
        Box::pin(async move {
            let answer = async {
                match admit(&memory, copies, request).await {
                    Ok(request) => service.call(request).await,
                    Err(status) => Ok(status.into_http()),
                }
            };
            timeout(REQUEST, answer).await.unwrap_or_else(|_| Ok(late(REQUEST).into_http()))
        })
    }
}

/// The request, with its memory counted.
async fn admit(memory: &Budget, copies: u64, request: http::Request<Body>) -> Result<http::Request<Body>, Status> {
    let (mut parts, body) = request.into_parts();
    let (length, body) = Message::begin(body, memory.clone()).await?;
    let share = memory.share(copies * length as u64).await.map_err(|refused| refusal(refused, length, copies))?;
    parts.extensions.insert(Admitted::new(share));
    Ok(http::Request::from_parts(parts, Body::new(body)))
}

/// The request, whose messages have their memory counted one by one.
fn admit_stream(memory: Budget, request: http::Request<Body>) -> http::Request<Body> {
    let (mut parts, body) = request.into_parts();
    let admissions = Admissions::default();
    parts.extensions.insert(admissions.clone());
    http::Request::from_parts(parts, Body::new(Messages::new(body, memory, admissions)))
}

/// Why a message of `length` bytes is not read.
pub(super) fn refusal(refused: Refused, length: usize, copies: u64) -> Status {
    match refused {
        Refused::Busy => busy("too many requests wait to be read; try again later", "TOO_MANY_REQUESTS", WAIT / 4),
        Refused::TooMuch => Status::invalid_argument(format!(
            "a request of {length} bytes takes more memory than the coordinator gives; give a smaller version of the \
             picture, or raise --predict-memory of the coordinator to {}",
            Memory::mib_for_request(copies * length as u64)
        )),
    }
}

pub(super) fn too_large(length: usize) -> Status {
    Status::invalid_argument(format!("a request of {length} bytes is too long: {LARGEST_MESSAGE} is the limit"))
}

pub(super) fn given_up(came: usize) -> Status {
    busy(&too_slow(came), "TOO_SLOW", WAIT / 4)
}

/// A body of which the beginning was read already: one message, and no more than that.
struct Message {
    begun: Option<Bytes>,
    rest: Body,
    /// What may still come, in bytes.
    left: usize,
    pace: Pace,
    /// Of the message, as far as it has come.
    fields: Fields,
}

impl Message {
    /// Reads as far as it says how long it is, which is the first of what is returned.
    async fn begin(mut body: Body, memory: Budget) -> Result<(usize, Self), Status> {
        let mut begun = BytesMut::new();
        while begun.len() < HEAD {
            let frame =
                body.frame().await.ok_or_else(|| Status::invalid_argument("the request holds no message"))??;
            if let Ok(data) = frame.into_data() {
                begun.extend_from_slice(&data);
            }
        }
        let length = u32::from_be_bytes([begun[1], begun[2], begun[3], begun[4]]) as usize;
        if length > LARGEST_MESSAGE {
            return Err(too_large(length));
        }
        let left = (HEAD + length).checked_sub(begun.len()).ok_or_else(too_long)?;
        let mut fields = Fields::default();
        fields.take(&begun[HEAD..])?;
        Ok((length, Self { begun: Some(begun.freeze()), rest: body, left, pace: Pace::new(memory), fields }))
    }

    /// Waits until it has to be given up for those who wait for memory.
    fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        loop {
            if let Some(came) = ready!(self.pace.poll(context)) {
                return Poll::Ready(given_up(came));
            }
        }
    }
}

fn too_long() -> Status {
    Status::invalid_argument("the request is longer than its one message")
}

impl http_body::Body for Message {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(begun) = self.begun.take() {
            // Its time begins when it has its share.
            self.pace.begin();
            return Poll::Ready(Some(Ok(Frame::data(begun))));
        }
        let Poll::Ready(frame) = Pin::new(&mut self.rest).poll_frame(context)? else {
            return self.poll_too_slow(context).map(|slow| Some(Err(slow)));
        };
        let Some(frame) = frame else { return Poll::Ready(None) };
        let length = frame.data_ref().map_or(0, Bytes::len);
        self.pace.take(length);
        if let Some(data) = frame.data_ref() {
            let data = data.clone();
            self.fields.take(&data)?;
        }
        self.left = match self.left.checked_sub(length) {
            Some(left) => left,
            None => return Poll::Ready(Some(Err(too_long()))),
        };
        Poll::Ready(Some(Ok(frame)))
    }
}
