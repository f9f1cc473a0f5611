//! Predictions one request after the other: some at a time, and the answers in order.

use crate::services::{
    admission::{Admitted, REQUEST},
    inference::InferenceService,
    late,
    messages::Admissions,
};
use prost::Message;
use proto::v1::{self, predict_stream_response};
use std::time::Duration;
use telemetry::Identity;
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Status, Streaming};

/// Requests of a stream that are read and not answered yet.
const WINDOW: usize = 8;
/// How long an answer waits to be read.
const UNREAD: Duration = Duration::from_mins(1);

type Answered = Result<v1::PredictStreamResponse, Status>;

/// A request that is worked at, until this is dropped.
struct Work(JoinHandle<v1::PredictStreamResponse>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The answers to `requests`, within the span `of`. All ends when the client is gone.
pub(super) fn answers(
    service: InferenceService,
    requests: Streaming<v1::PredictRequest>,
    admissions: Admissions,
    of: Option<Identity>,
) -> impl Stream<Item = Answered> {
    let (begun, works) = mpsc::channel(WINDOW);
    let (out, answers) = mpsc::channel(1);
    tokio::spawn(read(service, requests, (admissions, of), begun, out.clone()));
    tokio::spawn(write(works, out));
    ReceiverStream::new(answers)
}

/// Begins to work at each request as it comes.
async fn read(
    service: InferenceService,
    mut requests: Streaming<v1::PredictRequest>,
    (admissions, of): (Admissions, Option<Identity>),
    begun: mpsc::Sender<Result<Work, Status>>,
    out: mpsc::Sender<Answered>,
) {
    loop {
        let request = tokio::select! {
            () = out.closed() => return,
            request = requests.message() => request,
        };
        let work = match request {
            Ok(Some(request)) => {
                let (service, admitted) = (service.clone(), admissions.next());
                Ok(Work(tokio::spawn(async move { answer(&service, request, admitted, of).await })))
            }
            Ok(None) => return,
            Err(status) => Err(status),
        };
        let last = work.is_err();
        if begun.send(work).await.is_err() || last {
            return;
        }
    }
}

/// Sends the answers in the order of the requests.
async fn write(mut works: mpsc::Receiver<Result<Work, Status>>, out: mpsc::Sender<Answered>) {
    while let Some(work) = works.recv().await {
        let answer = match work {
            Err(status) => Err(status),
            Ok(mut work) => tokio::select! {
                () = out.closed() => return,
                answer = &mut work.0 => answer.map_err(|error| Status::internal(error.to_string())),
            },
        };
        if !matches!(timeout(UNREAD, out.send(answer)).await, Ok(Ok(()))) {
            return;
        }
    }
}

async fn answer(
    service: &InferenceService,
    request: v1::PredictRequest,
    admitted: Option<Admitted>,
    of: Option<Identity>,
) -> v1::PredictStreamResponse {
    let request_id = request.request_id;
    let answer = timeout(REQUEST, service.answer(request, admitted, of)).await.unwrap_or_else(|_| Err(late(REQUEST)));
    let result = match answer {
        Ok(response) => predict_stream_response::Result::Response(response),
        Err(status) => predict_stream_response::Result::Error(v1::Error {
            code: status.code() as i32,
            message: status.message().to_owned(),
            details: details(&status),
        }),
    };
    v1::PredictStreamResponse { request_id, result: Some(result) }
}

/// The details of a status, as they are in its trailer.
fn details(status: &Status) -> Vec<prost_types::Any> {
    // Of a status that has none nothing is told.
    tonic_types::pb::Status::decode(status.details()).map(|status| status.details).unwrap_or_default()
}
