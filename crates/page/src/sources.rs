//! What a page shows, and whom it asks.

use crate::images::Images;
use bytes::Bytes;
use chronicle::Chronicle;
use proto::v1::Run;
use std::{fmt, future::Future, pin::Pin, sync::Arc};
use tokio::sync::watch;

/// A run that is shown.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What it is called, such as its directory.
    pub name: String,
    /// The run as it stands.
    pub run: watch::Receiver<Run>,
    /// What it has been through.
    pub chronicle: watch::Receiver<Chronicle>,
    /// The test images, where they are to be had.
    pub images: Option<Arc<Images>>,
    /// Its newest model, where it can be asked.
    pub model: Option<Arc<dyn Model>>,
}

impl Shown {
    /// A run without images and without a model.
    #[must_use]
    pub fn new(name: &str, run: watch::Receiver<Run>, chronicle: watch::Receiver<Chronicle>) -> Self {
        Self { name: name.to_owned(), run, chronicle, images: None, model: None }
    }
}

/// What a model makes of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Of the classes, in their order; they sum to 1.
    pub probabilities: Vec<f32>,
    /// The checkpoint that answered.
    pub checkpoint: String,
}

impl Answer {
    /// The likeliest class and its probability.
    pub(crate) fn best(&self) -> (usize, f32) {
        let likeliest = self.probabilities.iter().copied().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
        likeliest.unwrap_or_default()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The picture is none, or none that can be taken.
    Picture(String),
    /// Not now: there is no model yet, or too many ask.
    Later(String),
    /// Something broke.
    Broken(String),
}

/// An answer that is being made.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send + 'a>>;

/// Something that answers what is in pictures.
pub trait Model: Send + Sync + fmt::Debug {
    /// Of a PNG or JPEG file.
    fn of_file(&self, file: Bytes) -> Answering<'_>;

    /// Of the bytes of an image of the data set: channel, row, column.
    fn of_pixels(&self, planes: Vec<u8>) -> Answering<'_>;
}
