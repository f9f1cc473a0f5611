//! Inference: predictions of the running job.

use crate::predict::{PictureError, Predictor, normalised};
use proto::v1::{self, inference_server::Inference, predict_request::Image};
use tokio::task::spawn_blocking;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Debug, Clone)]
pub struct InferenceService {
    predictor: Predictor,
}

impl InferenceService {
    /// Answers through `predictor`.
    #[must_use]
    pub fn new(predictor: Predictor) -> Self {
        Self { predictor }
    }
}

#[tonic::async_trait]
impl Inference for InferenceService {
    async fn predict(&self, request: Request<v1::PredictRequest>) -> Result<Response<v1::PredictResponse>, Status> {
        let image = request
            .into_inner()
            .image
            .ok_or_else(|| Status::invalid_argument("no image: give the bytes of a file, or pixels"))?;
        let pixels = spawn_blocking(move || pixels(&image))
            .await
            .map_err(|error| Status::internal(format!("reading the image failed: {error}")))??;
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

fn pixels(image: &Image) -> Result<Vec<f32>, PictureError> {
    match image {
        Image::File(file) => normalised(file),
        Image::Pixels(planes) => {
            let planes: &[u8; cifar::IMAGE_BYTES] =
                planes.as_slice().try_into().map_err(|_| PictureError::WrongPixels(planes.len()))?;
            let mut out = vec![0.0; cifar::IMAGE_BYTES];
            cifar::normalise_chw(planes, &mut out);
            Ok(out)
        }
    }
}
