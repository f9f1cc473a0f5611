//! The protocol over HTTP: `/v2/...`.

use crate::{
    EXTENSIONS, SERVER,
    answer::columns,
    backend::{About, Backend, Failure, Image},
    json::{ErrorBody, InferRequest, response},
    model::{Described, Kind, Output, step},
    request::images,
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// The most bytes that a body may have.
pub const LARGEST_BODY: usize = 32 << 20;
/// How many bytes of a body are JSON, where more follow.
const JSON_LENGTH: &str = "Inference-Header-Content-Length";
/// When a client that found too many others may come again.
const RETRY: HeaderValue = HeaderValue::from_static("1");

type Server = State<Arc<dyn Backend>>;

/// The routes of the protocol, before what predicts.
pub fn router(backend: Arc<dyn Backend>) -> Router {
    Router::new()
        .route("/v2", get(server_metadata))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/{name}", get(newest_metadata))
        .route("/v2/models/{name}/ready", get(newest_ready))
        .route("/v2/models/{name}/infer", post(newest_infer))
        .route("/v2/models/{name}/versions/{version}", get(model_metadata))
        .route("/v2/models/{name}/versions/{version}/ready", get(model_ready))
        .route("/v2/models/{name}/versions/{version}/infer", post(infer))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(backend)
}

// The one table from failures to status codes of HTTP.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Late(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let again = matches!(self, Self::Unavailable(_) | Self::Busy(_));
        let mut response = (status, Json(ErrorBody { error: self.to_string() })).into_response();
        if again {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY);
        }
        response
    }
}

async fn live() -> StatusCode {
    StatusCode::OK
}

async fn ready(State(server): Server) -> StatusCode {
    if server.versions().await.is_empty() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

async fn server_metadata() -> Json<Value> {
    Json(json!({"name": SERVER, "version": proto::VERSION, "extensions": EXTENSIONS}))
}

async fn newest_ready(server: Server, Path(name): Path<String>) -> Result<StatusCode, Failure> {
    model_ready(server, Path((name, String::new()))).await
}

async fn model_ready(
    State(server): Server,
    Path((name, version)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    Kind::named(server.about(), &name)?;
    let versions = server.versions().await;
    let ready = step(&version)?.map_or(!versions.is_empty(), |step| versions.contains(&step));
    Ok(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE })
}

async fn newest_metadata(server: Server, Path(name): Path<String>) -> Result<Json<Value>, Failure> {
    model_metadata(server, Path((name, String::new()))).await
}

async fn model_metadata(
    State(server): Server,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let about = server.about();
    let kind = Kind::named(about, &name)?;
    let versions = server.versions().await;
    if let Some(step) = step(&version)?
        && !versions.contains(&step)
    {
        return Err(Failure::NotFound(format!("there is no version {step} of {name}")));
    }
    let tensor = |Described { name, datatype, shape }| json!({"name": name, "datatype": datatype, "shape": shape});
    Ok(Json(json!({
        "name": name,
        "versions": versions.iter().map(u64::to_string).collect::<Vec<_>>(),
        "platform": format!("{SERVER}_resnet"),
        "inputs": [tensor(kind.input(about))],
        "outputs": Output::ALL.map(|output| tensor(output.described(about))),
    })))
}

async fn newest_infer(
    server: Server,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    infer(server, Path((name, String::new())), headers, body).await
}

async fn infer(
    State(server): Server,
    Path((name, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let about = server.about();
    let kind = Kind::named(about, &name)?;
    let step = step(&version)?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Failure::TooLarge(format!("the body has more than {LARGEST_BODY} bytes: ask about fewer images at a time"))
        }
        _ => Failure::Invalid(format!("the body cannot be read: {}", rejection.body_text())),
    })?;
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        return Err(Failure::Invalid(format!("the body is compressed ({encoding:?}): send it as it is")));
    }
    let length = json_length(&headers)?;
    let of = about.clone();
    // A long body takes a while, and others are to be answered meanwhile.
    let asked = spawn_blocking(move || Asked::new(&of, kind, &body, length)).await;
    let Asked { images, wanted, follows, id } = asked.map_err(|error| Failure::Internal(error.to_string()))??;
    let answer = server.predict(images, step).await?;
    let columns = columns(about, &answer, &wanted);
    let (body, length) = response(&name, answer.step, id.as_deref(), &columns, |name| follows.contains(&name));
    let kind = if length.is_some() { "application/octet-stream" } else { "application/json" };
    let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
    if let Some(length) = length {
        response.headers_mut().insert(JSON_LENGTH, length.into());
    }
    Ok(response)
}

/// What is asked.
struct Asked {
    images: Vec<Image>,
    wanted: Vec<Output>,
    /// The outputs whose data follows the JSON.
    follows: Vec<&'static str>,
    id: Option<String>,
}

impl Asked {
    fn new(about: &About, kind: Kind, body: &Bytes, length: Option<usize>) -> Result<Self, Failure> {
        let (request, binary) = InferRequest::read(body, length)?;
        let wanted = Output::wanted(about, request.outputs.iter().map(|output| output.name.as_str()))?;
        let names = wanted.iter().map(|output| output.described(about).name);
        let follows = names.filter(|name| request.wants_binary(name)).collect();
        let id = request.id.clone();
        Ok(Self { images: images(about, kind, request.tensors(binary)?)?, wanted, follows, id })
    }
}

/// How many bytes of the body are JSON, if a header says so.
fn json_length(headers: &HeaderMap) -> Result<Option<usize>, Failure> {
    let Some(value) = headers.get(JSON_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| Failure::Invalid(format!("{JSON_LENGTH} is {value:?}, and not a number of bytes")))
}
