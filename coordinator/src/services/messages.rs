//! The messages of a stream are let in one by one: the memory of each is counted before it is read.

use crate::services::{
    admission::{Admitted, COPIES, HEAD, LARGEST_MESSAGE, REQUEST, given_up, refusal, too_large},
    fields::Fields,
    late,
    pace::Pace,
};
use bytes::{Bytes, BytesMut};
use http_body::Frame;
use inference::{Budget, Refused, Share};
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::time::Instant;
use tonic::{Status, body::Body};

/// What was admitted of a stream and not taken up yet, in the order of its messages. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Admissions(Arc<Mutex<VecDeque<Admitted>>>);

impl Admissions {
    /// That of the next message.
    pub fn next(&self) -> Option<Admitted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn add(&self, admitted: Admitted) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(admitted);
    }
}

type Waiting = Pin<Box<dyn Future<Output = Result<Share, Refused>> + Send>>;

/// Where a stream is.
enum At {
    /// Before a message, or in its head.
    Head,
    /// Before the rest of a message of so many bytes, for which there is no memory yet.
    Waiting(usize, Waiting),
    /// In a message of which so many bytes are still to come.
    Message { left: usize, since: Instant, head: usize, fields: Fields },
}

/// A body of many messages.
pub(super) struct Messages {
    rest: Body,
    /// What has come and was not passed on.
    came: BytesMut,
    at: At,
    memory: Budget,
    admissions: Admissions,
    pace: Pace,
}

impl Messages {
    pub fn new(rest: Body, memory: Budget, admissions: Admissions) -> Self {
        let pace = Pace::new(memory.clone());
        Self { rest, came: BytesMut::new(), at: At::Head, memory, admissions, pace }
    }

    /// Goes on as far as what has come reaches: what can be passed on, if anything can.
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        loop {
            match &mut self.at {
                At::Head if self.came.len() < HEAD => return Poll::Ready(Ok(None)),
                At::Head => {
                    let length = [1, 2, 3, 4].map(|index| self.came[index]);
                    let length = u32::from_be_bytes(length) as usize;
                    if length > LARGEST_MESSAGE {
                        return Poll::Ready(Err(too_large(length)));
                    }
                    let memory = self.memory.clone();
                    let share = async move { memory.share(COPIES * length as u64).await };
                    self.at = At::Waiting(length, Box::pin(share));
                }
                At::Waiting(length, share) => {
                    let length = *length;
                    let share = ready!(share.as_mut().poll(context));
                    let share = share.map_err(|refused| refusal(refused, length, COPIES))?;
                    self.admissions.add(Admitted::new(share));
                    self.at = At::Message {
                        left: HEAD + length,
                        since: Instant::now(),
                        head: HEAD,
                        fields: Fields::default(),
                    };
                    // Its time begins when it has its share.
                    self.pace.begin();
                }
                At::Message { left: 0, .. } => self.at = At::Head,
                At::Message { .. } if self.came.is_empty() => return Poll::Ready(Ok(None)),
                At::Message { left, head, fields, .. } => {
                    let piece = self.came.split_to(self.came.len().min(*left));
                    // All of the head is in the first piece: it was there before.
                    fields.take(&piece[std::mem::take(head).min(piece.len())..])?;
                    *left -= piece.len();
                    return Poll::Ready(Ok(Some(piece.freeze())));
                }
            }
        }
    }

    /// Waits until the message that is under way has to be given up.
    fn poll_too_slow(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        let At::Message { since, .. } = self.at else { return Poll::Pending };
        loop {
            let slow = ready!(self.pace.poll(context));
            if since.elapsed() > REQUEST {
                return Poll::Ready(late(REQUEST));
            }
            if let Some(came) = slow {
                return Poll::Ready(given_up(came));
            }
        }
    }
}

impl http_body::Body for Messages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if let Some(piece) = ready!(self.poll_step(context))? {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let Poll::Ready(frame) = Pin::new(&mut self.rest).poll_frame(context)? else {
                return self.poll_too_slow(context).map(|status| Some(Err(status)));
            };
            let Some(frame) = frame else { return Poll::Ready(None) };
            match frame.into_data() {
                Ok(data) => {
                    self.pace.take(data.len());
                    self.came.extend_from_slice(&data);
                }
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
    }
}
