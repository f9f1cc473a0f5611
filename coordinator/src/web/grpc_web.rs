//! The gRPC services as browsers can ask them, on the page's port: gRPC-Web.
//!
//! The port for gRPC itself is out of a browser's reach: it speaks HTTP/2 without TLS, which none does. So the rules of the page
//! about other sites are before every question of a browser.

use crate::{error::Error, services::Patience};
use axum::{
    Router,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::header::{CONTENT_TYPE, HeaderValue};
use page::Streams;
use prost::Message;
use prost_types::FileDescriptorSet;
use std::{collections::HashSet, sync::Arc};
use tonic::{Status, service::Routes};
use tonic_web::GrpcWebLayer;
use tower_layer::Layer;
use tower_service::Service;

/// How the kind of a body begins in gRPC-Web.
const KIND: &str = "application/grpc-web";

/// The services, before which gRPC-Web is understood.
#[derive(Debug, Clone)]
pub struct GrpcWeb {
    services: Router,
    /// The paths of calls that last.
    lasting: Arc<HashSet<String>>,
    streams: Streams,
}

impl GrpcWeb {
    /// Before `services`. Calls that last take their places from `streams`.
    ///
    /// # Errors
    /// If the descriptors of the services are none.
    pub fn new(services: Routes, streams: Streams) -> Result<Self, Error> {
        let services = GrpcWebLayer::new().layer(Patience.layer(services.prepare().into_axum_router()));
        let services = Router::new().fallback_service(services);
        Ok(Self { services, lasting: Arc::new(lasting()?), streams })
    }

    async fn answer(mut self, request: Request) -> Response {
        let place = if self.lasting.contains(request.uri().path()) {
            match self.streams.place() {
                Some(place) => Some(place),
                None => return too_many(),
            }
        } else {
            None
        };
        // It is always ready, and never fails.
        let response = match self.services.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        match place {
            Some(place) => response.map(|body| place.held_by(body)),
            None => response,
        }
    }
}

/// Answers what is gRPC-Web, whatever its path, and passes on all else.
pub async fn answer(State(services): State<GrpcWeb>, request: Request, next: Next) -> Response {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with(KIND)) {
        services.answer(request).await
    } else {
        next.run(request).await
    }
}

/// The paths of calls of many messages, of all services.
fn lasting() -> Result<HashSet<String>, Error> {
    let sets = [
        proto::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
    ];
    let mut paths = HashSet::new();
    for set in sets {
        let set = FileDescriptorSet::decode(set).map_err(|error| Error::Serve(error.to_string()))?;
        for file in &set.file {
            for service in &file.service {
                let lasting = service.method.iter().filter(|call| call.server_streaming() || call.client_streaming());
                paths.extend(lasting.map(|call| format!("/{}.{}/{}", file.package(), service.name(), call.name())));
            }
        }
    }
    Ok(paths)
}

fn too_many() -> Response {
    let status = Status::resource_exhausted("too many streams are open on the page's port; try again later");
    let mut response = status.into_http::<axum::body::Body>();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc-web+proto"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calls_that_last_are_known() {
        let paths = lasting().unwrap();
        for path in [
            "/coxswain.v1.Training/WatchRun",
            "/coxswain.v1.Inference/PredictStream",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            assert!(paths.contains(path), "{path}");
        }
        assert!(!paths.contains("/coxswain.v1.Training/GetRun"));
    }
}
