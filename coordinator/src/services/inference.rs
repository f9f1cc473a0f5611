//! Inference: predictions of the running job.

use crate::{
    predict::{Decoders, PictureError, Predictor},
    services::Admitted,
};
use proto::v1::{self, inference_server::Inference, predict_request::Image};
use tonic::{Request, Response, Status};

/// The service.
#[derive(Debug, Clone)]
pub struct InferenceService {
    predictor: Predictor,
    decoders: Decoders,
}

impl InferenceService {
    /// Answers through `predictor` what `decoders` make of pictures.
    #[must_use]
    pub fn new(predictor: Predictor, decoders: Decoders) -> Self {
        Self { predictor, decoders }
    }

    /// An image as a model takes it: 32x32, channels last, normalised.
    async fn pixels(&self, image: Image, admitted: Option<Admitted>) -> Result<Vec<f32>, PictureError> {
        let mut out = vec![0.0; cifar::IMAGE_BYTES];
        match image {
            Image::File(file) => cifar::normalise_image(&self.decoders.decode(file, admitted).await?, &mut out),
            Image::Pixels(planes) => {
                let planes: &[u8; cifar::IMAGE_BYTES] =
                    planes.as_slice().try_into().map_err(|_| PictureError::WrongPixels(planes.len()))?;
                cifar::normalise_chw(planes, &mut out);
            }
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
        let pixels = self.pixels(image, admitted).await?;
        let prediction = self.predictor.predict(pixels).await?;
        let best = prediction
            .probabilities
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
            .map_or(0, |(index, _)| index);
        Ok(Response::new(v1::PredictResponse {
            class: cifar::CLASS_NAMES.get(best).copied().unwrap_or_default().to_owned(),
            class_index: best as u32,
            probabilities: prediction.probabilities,
            classes: cifar::CLASS_NAMES.iter().map(ToString::to_string).collect(),
            checkpoint: prediction.checkpoint,
            checkpoint_accuracy: prediction.accuracy,
        }))
    }
}
