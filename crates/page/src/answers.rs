//! Pictures that a person gives.

use crate::{
    api::{Json, Refused},
    page::Inner,
    questions::Picture,
    sources::Refusal,
};
use axum::{extract::State, http::StatusCode};
use serde_json::json;
use std::sync::Arc;

/// What the newest model makes of the picture in the body.
pub(crate) async fn predict(State(page): State<Arc<Inner>>, Picture(file): Picture) -> Result<Json, Refused> {
    let shown = page.shown(0)?;
    let model = shown.model.as_ref();
    let model = model.ok_or_else(|| (StatusCode::NOT_FOUND, "There is no model to ask here\n".to_owned()))?;
    if file.is_empty() {
        return Err((StatusCode::BAD_REQUEST, "No picture: send the bytes of a PNG or JPEG file\n".to_owned()));
    }
    // It is never closed.
    let _place = page.pictures.acquire().await.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    let answer = model.of_file(file).await.map_err(refused)?;
    let (class, probability) = answer.best();
    Json::of(&json!({
        "class": class,
        "probability": probability,
        "probabilities": answer.probabilities,
        "checkpoint": answer.checkpoint,
    }))
}

pub(crate) fn refused(refusal: Refusal) -> Refused {
    match refusal {
        Refusal::Picture(why) => (StatusCode::UNPROCESSABLE_ENTITY, why),
        Refusal::Later(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        Refusal::Broken(why) => (StatusCode::INTERNAL_SERVER_ERROR, why),
    }
}
