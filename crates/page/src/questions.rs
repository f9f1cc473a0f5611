//! What comes with a request: a question in its address, and a picture in its body. What cannot be read is told in words that say
//! what to send instead.

use crate::{api::Refused, page::LARGEST};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

/// What follows the `?` of an address. All of its fields are whole numbers.
pub(crate) struct Question<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Question<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let asked = Query::from_request_parts(parts, state).await;
        asked.map(|Query(asked)| Self(asked)).map_err(|rejection| (rejection.status(), unread(&rejection.body_text())))
    }
}

/// What is wrong with a question, from the words of serde.
fn unread(text: &str) -> String {
    let words = text.rsplit_once("query string: ").map_or(text, |(_, words)| words);
    match words.split_once(": ") {
        Some((field, _)) => format!("{field} has to be a whole number in its range, as in ?{field}=0\n"),
        None => format!("What follows the ? cannot be read: {words}\n"),
    }
}

/// The bytes of a picture.
pub(crate) struct Picture(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Picture {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let taken = Bytes::from_request(request, state).await;
        taken.map(Self).map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let most = LARGEST >> 20;
                (
                    StatusCode::PAYLOAD_TOO_LARGE,
                    format!("A picture has at most {most} MiB: send a smaller version of it\n"),
                )
            }
            status => (status, "The picture did not come whole: send it again\n".to_owned()),
        })
    }
}
