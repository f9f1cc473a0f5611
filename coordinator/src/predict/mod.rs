//! Predictions of the running job: pictures in, probabilities out.

mod picture;
mod predictor;
mod resize;

pub use picture::{PictureError, normalised};
pub use predictor::{PredictError, Predictor};
pub use resize::resize_rgb;
