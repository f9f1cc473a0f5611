//! From pictures to classes: what a trained network sees in an image.

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
use picture::Size;
pub use predictor::{PredictError, Predictor};
pub use resize::resize_rgb;
