//! What is served on the one port, whether a run is trained there or not.

use crate::{
    connections,
    error::Error,
    services::{Admission, COPIES, InferenceService, LARGEST_MESSAGE, Patience, Predictor, StandardBackend, Timely},
};
use inference::{Budget, Engine, EngineOptions};
use open_inference::OpenInference;
use plan::Timeouts;
use proto::{
    open_inference::grpc_inference_service_server::GrpcInferenceServiceServer, v1::inference_server::InferenceServer,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinError, JoinHandle, spawn_blocking},
};
use tonic::{service::Routes, transport::Server};
use tonic_health::server::HealthReporter;

/// Calls of one connection at a time.
const CALLS: u32 = 256;
/// Until a connection is gone that answers no question: on a slow line that waits behind all that was sent.
const GONE: Duration = Duration::from_mins(2);
/// The shortest deadline of a request: a busy disk may be read for it.
const SOONEST: Duration = Duration::from_secs(10);
/// What a request of the standard protocol takes while it is decoded, in times its own bytes. A string of no bytes has two in a
/// message, and 32 in memory.
const STANDARD_COPIES: u64 = 18;
/// What clients say at a time, but for pictures.
pub(crate) const LARGEST_QUESTION: usize = 1 << 16;
/// How long clients get to take their last answers.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// What the server comes to.
pub(crate) type Served = JoinHandle<Result<(), tonic::transport::Error>>;

/// The engine of predictions, with the newest checkpoint ready.
pub(crate) async fn engine(options: EngineOptions) -> Result<Engine, Error> {
    let started = spawn_blocking(move || Engine::start(options)).await;
    let started = started.map_err(|error| Error::Serve(error.to_string()))?;
    started.map_err(|error| Error::Serve(error.to_string()))
}

/// The deadline of small requests.
pub(crate) fn soon(timeouts: Timeouts) -> Duration {
    timeouts.transfer.max(SOONEST)
}

/// Predictions through `predictor` of `model`, whose requests take their memory from `requests`; health and reflection.
pub(crate) async fn routes(
    predictor: Predictor,
    model: &str,
    requests: &Budget,
    timeouts: Timeouts,
) -> Result<(Routes, HealthReporter), Error> {
    let standard = OpenInference::new(Arc::new(StandardBackend::new(predictor.clone(), model)));
    let standard = GrpcInferenceServiceServer::new(standard).max_decoding_message_size(LARGEST_MESSAGE);
    let inference = InferenceServer::new(InferenceService::new(predictor));
    let inference = inference.max_decoding_message_size(LARGEST_MESSAGE);
    let inference = Admission::new(inference, requests.clone(), COPIES);
    let standard = Admission::new(standard, requests.clone(), STANDARD_COPIES);
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<InferenceServer<InferenceService>>().await;
    reporter.set_serving::<GrpcInferenceServiceServer<OpenInference>>().await;
    let reflect = |error: tonic_reflection::server::Error| Error::Serve(error.to_string());
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = Routes::new(Timely::new(health, soon(timeouts)))
        .add_service(reflection().build_v1().map_err(reflect)?)
        .add_service(reflection().build_v1alpha().map_err(reflect)?)
        .add_service(inference)
        .add_service(standard);
    Ok((routes, reporter))
}

/// Serves on `listener`, until the sender is dropped.
pub(crate) fn serve(routes: Routes, listener: TcpListener, timeouts: Timeouts) -> (Served, oneshot::Sender<()>) {
    let (close, closed) = oneshot::channel::<()>();
    let most = connections::most();
    let incoming = connections::incoming(listener, most - connections::of_the_page(most), timeouts.request);
    let mut builder = Server::builder()
        .max_concurrent_streams(CALLS)
        .http2_keepalive_interval(Some(timeouts.keepalive))
        .http2_keepalive_timeout(Some(GONE))
        .layer(Patience);
    let server = builder.add_routes(routes).serve_with_incoming_shutdown(incoming, async {
        // Dropping the sender closes as well.
        let _ = closed.await;
    });
    (tokio::spawn(server), close)
}

/// Why the server has ended, which it is not to do by itself.
pub(crate) fn broken(ended: Result<Result<(), tonic::transport::Error>, JoinError>) -> Error {
    Error::Serve(match ended {
        Ok(Ok(())) => "it closed".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    })
}
