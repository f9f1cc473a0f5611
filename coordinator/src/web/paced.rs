//! A body that has to come at a pace while others wait for memory.

use crate::services::{Pace, too_slow};
use axum::body::{Body, Bytes};
use http_body::Frame;
use inference::Budget;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::sync::oneshot;

/// A body, and whom to tell if it comes too slowly.
pub struct Paced {
    rest: Body,
    pace: Pace,
    told: Option<oneshot::Sender<String>>,
}

impl Paced {
    /// The body `rest` of a request that has a share of `memory`, and the word that it was too slow. Whoever hears that drops the
    /// request: it goes on no more.
    pub fn new(rest: Body, memory: Budget) -> (Self, oneshot::Receiver<String>) {
        let (told, slow) = oneshot::channel();
        let mut pace = Pace::new(memory);
        pace.begin();
        (Self { rest, pace, told: Some(told) }, slow)
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.rest).poll_frame(context) {
            if let Some(Ok(frame)) = &frame {
                self.pace.take(frame.data_ref().map_or(0, Bytes::len));
            }
            return Poll::Ready(frame);
        }
        loop {
            let Some(came) = ready!(self.pace.poll(context)) else { continue };
            if let Some(told) = self.told.take() {
                // Who does not listen has dropped the request.
                let _ = told.send(too_slow(came));
            }
            return Poll::Pending;
        }
    }
}
