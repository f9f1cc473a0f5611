//! What is asked, and what is answered.

use crate::PictureError;
use std::time::Duration;
use thiserror::Error;

/// The most images of one request, where there is memory for as many.
pub const MOST_IMAGES: usize = 1024;

/// An image to be classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// A PNG or JPEG file. A file that is neither and has as many bytes as an image of the data set is taken for its pixels.
    File(Vec<u8>),
    /// A byte for each channel of each pixel, as in the data set: planes one after the other, row-major.
    Pixels(Vec<u8>),
}

/// Which checkpoint is to answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Which {
    /// The newest, whichever it is when the request is computed.
    #[default]
    Newest,
    /// That with the highest test accuracy.
    Best,
    /// The one of this name, such as `step-00007820`, and no other.
    Named(String),
}

/// What a model makes of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The most probable class, by its place among the classes.
    pub class: usize,
    /// Of the classes, in their order; they sum to 1.
    pub probabilities: Vec<f32>,
}

/// The answer to a request. One checkpoint gives all of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The checkpoint that answered.
    pub checkpoint: String,
    /// Steps that it has learned for.
    pub step: u64,
    /// Whole epochs that it has learned for.
    pub epoch: u32,
    /// Its test accuracy, where it was evaluated.
    pub accuracy: Option<f64>,
    /// For each image, in the order of the request.
    pub predictions: Vec<Prediction>,
    /// How long the decoded images waited for the model.
    pub queued: Duration,
    /// How long the model worked, for other requests of the same batches too.
    pub computed: Duration,
}

/// A checkpoint that can answer.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Steps that it has learned for.
    pub step: u64,
    /// Whole epochs that it has learned for.
    pub epoch: u32,
    /// Its test accuracy, where it was evaluated.
    pub accuracy: Option<f64>,
    /// Whether it is the newest on disk.
    pub newest: bool,
    /// Whether it is the one with the highest test accuracy.
    pub best: bool,
    /// Of its files on disk.
    pub bytes: u64,
    /// Seconds since 1970 when it was written.
    pub written_at: u64,
}

/// Why there is no answer.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PredictError {
    /// A request without an image.
    #[error("no image: give the bytes of a file, or pixels")]
    NoImages,
    /// A request with too many.
    #[error("a request may have {MOST_IMAGES} images, not {found}: send several requests, or a stream of them")]
    TooMany {
        /// How many it has.
        found: usize,
    },
    /// A request with more than there is memory for.
    #[error(
        "{found} images of this data set take too much memory at once: a request may have {most}; send several requests, or \
         raise --predict-memory of the coordinator to {flag}"
    )]
    TooMuch {
        /// How many it has.
        found: usize,
        /// How many it may have.
        most: usize,
        /// What would do, in MiB.
        flag: u64,
    },
    /// An image that gets no answer.
    #[error("{}{why}", .only.map_or_else(String::new, |index| format!("image {index}: ")))]
    Image {
        /// Its place in the request, from 0 on.
        index: usize,
        /// The same, where the request has several.
        only: Option<usize>,
        /// What is wrong.
        why: PictureError,
    },
    /// Nothing to answer with yet.
    #[error("there is no checkpoint yet: the first comes at the end of the first epoch")]
    NoCheckpoint,
    /// Nothing is known to be the best yet.
    #[error("no checkpoint has been evaluated yet, so none is the best: ask for the newest")]
    NoBest,
    /// There is no checkpoint of the name.
    #[error("there is no checkpoint {name:?}{}", names(.known))]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// Those that there are, oldest first.
        known: Vec<String>,
    },
    /// The checkpoint cannot answer.
    #[error("checkpoint {name} cannot answer: {why}")]
    Unusable {
        /// Which one.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Too many images wait.
    #[error("{waiting} images wait already; try again later")]
    Full {
        /// How many.
        waiting: usize,
        /// When it is worth to try again.
        retry: Duration,
    },
    /// The deadline came before the answer.
    #[error("the deadline passed before the model got to it")]
    Late,
    /// libtorch failed.
    #[error("the model failed: {0}")]
    Model(String),
    /// The program is ending.
    #[error("the coordinator is ending")]
    Ending,
}

fn names(known: &[String]) -> String {
    match known {
        [] => ", nor any other".to_owned(),
        known => format!(": there are {}", known.join(", ")),
    }
}

impl PredictError {
    /// Of the image `index` of `all`.
    pub(crate) fn of_image(index: usize, all: usize, why: PictureError) -> Self {
        Self::Image { index, only: (all > 1).then_some(index), why }
    }
}
