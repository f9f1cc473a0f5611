//! A request on its way through the model.

use crate::{
    answer::{Answer, PredictError, Prediction, Which},
    model::Model,
    room::Place,
};
use data::Normaliser;
use std::{
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// The bytes of a decoded image, of the data set's shape.
#[derive(Debug)]
pub(crate) enum Pixels {
    /// Channel, row, column.
    Planes(Vec<u8>),
    /// Row, column, channel.
    Interleaved(Vec<u8>),
}

impl Pixels {
    /// Normalised, channels last.
    pub fn normalise(&self, normaliser: &Normaliser, out: &mut [f32]) {
        match self {
            Self::Planes(bytes) => normaliser.planes(bytes, out),
            Self::Interleaved(bytes) => normaliser.interleaved(bytes, out),
        }
    }
}

/// A request, as it comes to the thread of the models. Its checkpoint is the newest, or has a name.
#[derive(Debug)]
pub(crate) struct Request {
    /// At least one.
    pub images: Vec<Pixels>,
    /// `None`: the newest.
    pub name: Option<String>,
    pub deadline: Option<Instant>,
    pub queued_at: Instant,
    pub answer: oneshot::Sender<Result<Answer, PredictError>>,
    /// Its part of the queue, until it is answered.
    pub room: Place,
}

/// A request that is worked at, on the thread of the models.
#[derive(Debug)]
pub(crate) struct Task {
    request: Request,
    /// Once the first images were computed, the others are computed by the same model.
    model: Option<Rc<Model>>,
    done: Vec<Prediction>,
    queued: Option<Duration>,
    computed: Duration,
}

impl Task {
    pub fn new(request: Request, model: Option<Rc<Model>>) -> Self {
        Self { request, model, done: Vec::new(), queued: None, computed: Duration::ZERO }
    }

    /// Whether nobody waits for it any more. Who waits and is late is told so.
    pub fn is_over(&mut self, now: Instant) -> bool {
        self.request.answer.is_closed() || self.request.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// The model that is to compute it: its own, else the `newest`, which is its own from now on.
    pub fn model(&mut self, newest: Option<&Rc<Model>>) -> Option<&Rc<Model>> {
        if self.model.is_none() {
            self.model = newest.cloned();
        }
        self.model.as_ref()
    }

    /// The model that would compute it.
    pub fn would_be<'a>(&'a self, newest: Option<&'a Rc<Model>>) -> Option<&'a Rc<Model>> {
        self.model.as_ref().or(newest)
    }

    /// The images that are still to be computed.
    pub fn left(&self) -> &[Pixels] {
        &self.request.images[self.done.len()..]
    }

    /// The model has begun to work at it.
    pub fn begin(&mut self, now: Instant) {
        self.queued.get_or_insert(now.saturating_duration_since(self.request.queued_at));
    }

    /// Takes the predictions of its next images, which took `time`. Returns it, unless it is answered with that.
    pub fn take(mut self, predictions: impl Iterator<Item = Prediction>, time: Duration) -> Option<Self> {
        self.done.extend(predictions);
        self.computed += time;
        if !self.left().is_empty() {
            return Some(self);
        }
        let model = self.model.take()?;
        let answer = Answer {
            checkpoint: model.name.clone(),
            step: model.step,
            epoch: model.epoch,
            accuracy: model.accuracy,
            predictions: std::mem::take(&mut self.done),
            queued: self.queued.unwrap_or_default(),
            computed: self.computed,
        };
        self.answer(Ok(answer));
        None
    }

    /// Ends it.
    pub fn answer(self, answer: Result<Answer, PredictError>) {
        let Request { answer: to, room, .. } = self.request;
        // Who is told that there is an answer may ask again at once, and finds room.
        drop(room);
        // A client that no longer waits is no concern of ours.
        let _ = to.send(answer);
    }
}

/// The name of a checkpoint that has to be known before a request is sent on.
pub(crate) fn name(which: Which, best: impl FnOnce() -> Option<String>) -> Result<Option<String>, PredictError> {
    match which {
        Which::Newest => Ok(None),
        Which::Best => best().map(Some).ok_or(PredictError::NoBest),
        Which::Named(name) => Ok(Some(name)),
    }
}
