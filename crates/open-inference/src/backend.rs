//! What predicts, as far as the protocol has to know it.

use bytes::Bytes;
use std::fmt;

/// What is the same for all checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The model's name, such as resnet20.
    pub model: String,
    /// The classes, in the order of the probabilities.
    pub classes: Vec<String>,
    /// Channels, height and width of an image, in pixels.
    pub shape: [usize; 3],
}

/// An image that is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// A file, such as a PNG.
    File(Bytes),
    /// A byte for each channel of each pixel: planes one after the other, row-major.
    Pixels(Bytes),
}

/// What the images show.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Of the checkpoint that has answered: steps since its run began.
    pub step: u64,
    /// For each image: a probability for each class.
    pub probabilities: Vec<Vec<f32>>,
}

/// Why there is no answer. Each is told in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The request makes no sense, or an image is none.
    Invalid(String),
    /// There is no such model or version.
    NotFound(String),
    /// There is nothing to answer with yet, or the server is ending.
    Unavailable(String),
    /// Too many requests wait.
    Busy(String),
    /// The request has more bytes than the server takes.
    TooLarge(String),
    /// It took too long.
    Late(String),
    /// The model failed.
    Internal(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Invalid(why)
        | Self::NotFound(why)
        | Self::Unavailable(why)
        | Self::Busy(why)
        | Self::TooLarge(why)
        | Self::Late(why)
        | Self::Internal(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Failure {}

/// What predicts.
#[tonic::async_trait]
pub trait Backend: Send + Sync + 'static {
    /// What is the same for all checkpoints.
    fn about(&self) -> &About;

    /// The checkpoints that can answer, by their steps since the run began, oldest first.
    async fn versions(&self) -> Vec<u64>;

    /// What `images` show, by the checkpoint of that step, or by the newest.
    ///
    /// # Errors
    /// Why there is no answer.
    async fn predict(&self, images: Vec<Image>, step: Option<u64>) -> Result<Answer, Failure>;
}
