//! Answers that go on for as long as somebody listens. They have a share of the connections, and what is left is for plain requests.

use axum::body::Body;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::StreamExt;

/// Streams at a time, however many connections there may be.
const MOST: usize = 512;

/// The places for streams. Clones share them.
#[derive(Debug, Clone)]
pub struct Streams(Arc<Semaphore>);

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub struct Place(#[allow(dead_code, reason = "held until it is dropped")] OwnedSemaphorePermit);

impl Streams {
    /// Half of so many connections, and one at the least.
    #[must_use]
    pub fn of(connections: usize) -> Self {
        Self(Arc::new(Semaphore::new((connections / 2).clamp(1, MOST))))
    }

    /// A place, if there is one.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        Arc::clone(&self.0).try_acquire_owned().ok().map(Place)
    }
}

impl Place {
    /// The same body, which keeps the place as long as it lasts.
    pub fn held_by(self, body: Body) -> Body {
        Body::from_stream(body.into_data_stream().map(move |data| {
            let _held = &self;
            data
        }))
    }
}
