//! Predictions of the running job: pictures in, probabilities out.

mod budget;
mod decoders;
mod error;
mod jpeg;
mod patience;
mod picture;
mod png;
mod predictor;
mod resize;

pub use budget::{Budget, Memory, Refused, Share};
pub use decoders::Decoders;
pub use error::PictureError;
pub use patience::Patience;
pub use picture::Picture;
pub(crate) use picture::Size;
pub use predictor::{PredictError, Predictor};
pub use resize::resize_rgb;
