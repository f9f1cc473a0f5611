//! Inference: predictions of the running job.

use crate::services::{admission::Admitted, bad_picture, unanswered};
use data::{DatasetSpec, Normaliser};
use ::inference::{Decoders, Picture, PictureError, Predictor};
use proto::v1::{self, inference_server::Inference, predict_request::Image};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The RPCs that answer what is in pictures.
#[derive(Debug, Clone)]
pub struct InferenceService {
    predictor: Predictor,
    decoders: Decoders,
    normaliser: Arc<Normaliser>,
    classes: Arc<[String]>,
}

impl InferenceService {
    /// Answers through `predictor` what `decoders` make of pictures, in the terms of `dataset`.
    #[must_use]
    pub fn new(predictor: Predictor, decoders: Decoders, dataset: &DatasetSpec) -> Self {
        let normaliser = Arc::new(Normaliser::new(dataset));
        Self { predictor, decoders, normaliser, classes: dataset.classes.clone().into() }
    }

    /// An image as a model takes it: of the data set's shape, channels last, normalised. A file that is no picture and has as
    /// many bytes as an image is taken for one.
    async fn pixels(&self, image: Image, admitted: Option<Admitted>) -> Result<Vec<f32>, PictureError> {
        let shape = self.normaliser.shape();
        let mut out = vec![0.0; shape.len()];
        match image {
            Image::File(planes) if planes.len() == shape.len() && !Picture::is_one(&planes) => {
                self.normaliser.planes(&planes, &mut out);
            }
            Image::File(file) => {
                self.normaliser.interleaved(&self.decoders.decode(file, admitted).await?, &mut out);
            }
            Image::Pixels(planes) if planes.len() == shape.len() => self.normaliser.planes(&planes, &mut out),
            Image::Pixels(planes) => return Err(PictureError::WrongPixels { found: planes.len(), shape }),
        }
        Ok(out)
    }
}

#[tonic::async_trait]
impl Inference for InferenceService {
    async fn predict(&self, mut request: Request<v1::PredictRequest>) -> Result<Response<v1::PredictResponse>, Status> {
        let admitted = request.extensions_mut().remove::<Admitted>();
        let image = request
            .into_inner()
            .image
            .ok_or_else(|| Status::invalid_argument("no image: give the bytes of a file, or pixels"))?;
        let pixels = self.pixels(image, admitted).await.map_err(|error| bad_picture(&error))?;
        let prediction = self.predictor.predict(pixels).await.map_err(|error| unanswered(&error))?;
        let best = prediction
            .probabilities
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
            .map_or(0, |(index, _)| index);
        Ok(Response::new(v1::PredictResponse {
            class: self.classes.get(best).cloned().unwrap_or_default(),
            class_index: best as u32,
            probabilities: prediction.probabilities,
            classes: self.classes.to_vec(),
            checkpoint: prediction.checkpoint,
            checkpoint_accuracy: prediction.accuracy,
        }))
    }
}
