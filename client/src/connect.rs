//! The coordinator's services, each call with a deadline.

use crate::{error::Failure, steer::request_id};
use proto::v1::{
    GetRunRequest, PredictRequest, PredictResponse, Run, StopRunRequest, WatchRunRequest,
    inference_client::InferenceClient, training_client::TrainingClient,
};
use std::{
    future::Future,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};
use tonic::{
    Code, Request, Response, Status, Streaming,
    transport::{Channel, Endpoint, Uri},
};

/// For the TCP connection.
const CONNECT: Duration = Duration::from_secs(5);
/// For a question about the run, and for the beginning of a stream.
pub(crate) const ASK: Duration = Duration::from_secs(10);
/// For a prediction, which may wait behind others, time for the upload included.
const PREDICT: Duration = Duration::from_secs(30);
/// A stream may be silent for as long as the run does not change. A peer that is gone is found by pings instead.
const PING: Duration = Duration::from_secs(10);
/// The first pause before a request is repeated that found the coordinator's queue full; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause.
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// A connected coordinator. Clones share the connection.
#[derive(Debug, Clone)]
pub struct Coordinator {
    pub(crate) url: String,
    pub(crate) channel: Channel,
}

impl Coordinator {
    /// Connects to the coordinator at `uri`.
    ///
    /// # Errors
    /// If nothing answers there.
    pub async fn connect(uri: &Uri) -> Result<Self, Failure> {
        let url = uri.to_string().trim_end_matches('/').to_owned();
        let endpoint = Endpoint::from(uri.clone())
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .keep_alive_while_idle(true);
        // The resolver of host names has no limit of its own.
        match timeout(2 * CONNECT, endpoint.connect()).await {
            Ok(Ok(channel)) => Ok(Self { url, channel }),
            Ok(Err(error)) => Err(Failure::from_transport(&url, &error)),
            Err(_) => Err(Failure::NoAnswer { url, seconds: (2 * CONNECT).as_secs() }),
        }
    }

    /// The run as it stands.
    ///
    /// # Errors
    /// If the coordinator does not tell.
    pub async fn run(&self) -> Result<Run, Failure> {
        let mut client = TrainingClient::new(self.channel.clone());
        self.within(ASK, client.get_run(with_deadline(GetRunRequest {}, ASK)))
            .await
            .map_err(|error| self.failure(&error))
    }

    /// Has the run end after the step in progress.
    ///
    /// # Errors
    /// If it is over already, or the coordinator does not answer.
    pub async fn stop(&self, reason: &str) -> Result<(), Failure> {
        let mut client = TrainingClient::new(self.channel.clone());
        let request = StopRunRequest { reason: reason.to_owned(), request_id: request_id() };
        let stopped = self.within(ASK, client.stop_run(with_deadline(request, ASK))).await;
        stopped.map(|_| ()).map_err(|error| self.failure(&error))
    }

    /// The run as it stands and whenever it changes, at most every `interval`.
    ///
    /// # Errors
    /// If the coordinator does not tell.
    pub async fn watch(&self, interval: Duration) -> Result<Watch, Failure> {
        let mut client = TrainingClient::new(self.channel.clone());
        let request = WatchRunRequest { interval_ms: u32::try_from(interval.as_millis()).unwrap_or(u32::MAX) };
        // A deadline in the request itself would end the stream with it, not only its beginning.
        match self.within(ASK, client.watch_run(request)).await {
            Ok(stream) => Ok(Watch { coordinator: self.clone(), stream }),
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// The classes of an image. Waits where too many others ask.
    ///
    /// # Errors
    /// If it is no image, or the coordinator does not tell.
    pub async fn predict(&self, request: PredictRequest) -> Result<PredictResponse, Failure> {
        let mut client = InferenceClient::new(self.channel.clone());
        let begin = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let left = PREDICT.saturating_sub(begin.elapsed());
            match self.within(left, client.predict(with_deadline(request.clone(), left))).await {
                Err(Failed::Status(status)) if status.code() == Code::ResourceExhausted && pause < left => {
                    sleep(pause).await;
                    pause = (2 * pause).min(LAST_PAUSE);
                }
                Err(Failed::Status(status)) => return Err(Failure::from_status(&self.url, PREDICT.as_secs(), &status)),
                Err(Failed::Late(_)) => return Err(self.failure(&Failed::Late(PREDICT))),
                Ok(response) => return Ok(response),
            }
        }
    }

    /// What `call` answers within `limit`. It bounds the whole call; tonic bounds the time until the answer begins.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failed> {
        match timeout(limit, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Failed::Status(Box::new(status))),
            Err(_) => Err(Failed::Late(limit)),
        }
    }

    pub(crate) fn failure(&self, failed: &Failed) -> Failure {
        match failed {
            Failed::Status(status) => Failure::from_status(&self.url, ASK.as_secs(), status),
            Failed::Late(limit) => Failure::NoAnswer { url: self.url.clone(), seconds: limit.as_secs() },
        }
    }
}

/// How a call fails.
pub(crate) enum Failed {
    Status(Box<Status>),
    Late(Duration),
}

/// The changes of a run.
#[derive(Debug)]
pub struct Watch {
    coordinator: Coordinator,
    stream: Streaming<Run>,
}

impl Watch {
    /// The run after its next change.
    ///
    /// # Errors
    /// If the stream breaks or ends.
    pub async fn next(&mut self) -> Result<Run, Failure> {
        let url = &self.coordinator.url;
        match self.stream.message().await {
            Ok(Some(run)) => Ok(run),
            Ok(None) => Err(Failure::HungUp { url: url.clone() }),
            Err(status) => Err(Failure::from_status(url, PING.as_secs(), &status)),
        }
    }
}

/// A request that tells the coordinator how long its answer is worth something.
pub(crate) fn with_deadline<T>(message: T, limit: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}
