//! The Open Inference Protocol, by the same engine as coxswain's own service.

use crate::services::Predictor;
use inference::{Image as Asked, ModelInfo, PictureError, PredictError, Which};
use open_inference::{About, Answer, Backend, Failure, Image};

/// What the standard protocol asks.
#[derive(Debug, Clone)]
pub struct StandardBackend {
    predictor: Predictor,
    about: About,
}

impl StandardBackend {
    /// Answers through `predictor`, whose checkpoints are of `model`.
    #[must_use]
    pub fn new(predictor: Predictor, model: &str) -> Self {
        let dataset = predictor.engine().dataset();
        let shape = [dataset.shape.channels, dataset.shape.height, dataset.shape.width].map(|size| size as usize);
        let about = About { model: model.to_owned(), classes: dataset.classes.clone(), shape };
        Self { predictor, about }
    }

    async fn models(&self) -> Result<Vec<ModelInfo>, Failure> {
        self.predictor.engine().models().await.map_err(|error| failure(&error))
    }

    /// The checkpoint of that step.
    async fn which(&self, step: Option<u64>) -> Result<Which, Failure> {
        let Some(step) = step else { return Ok(Which::Newest) };
        let models = self.models().await?;
        let found = models.iter().find(|model| model.step == step);
        found.map(|model| Which::Named(model.name.clone())).ok_or_else(|| {
            let steps: Vec<String> = models.iter().map(|model| model.step.to_string()).collect();
            Failure::NotFound(format!("there is no version {step}: there are {}", steps.join(", ")))
        })
    }
}

#[tonic::async_trait]
impl Backend for StandardBackend {
    fn about(&self) -> &About {
        &self.about
    }

    async fn versions(&self) -> Vec<u64> {
        // Who asks only whether there is any is told that there is none.
        let mut steps: Vec<u64> = self.models().await.unwrap_or_default().iter().map(|model| model.step).collect();
        steps.sort_unstable();
        steps.dedup();
        steps
    }

    async fn predict(&self, images: Vec<Image>, step: Option<u64>) -> Result<Answer, Failure> {
        let which = self.which(step).await?;
        let images = images.into_iter().map(|image| match image {
            Image::File(file) => Asked::File(file.into()),
            Image::Pixels(pixels) => Asked::Pixels(pixels.into()),
        });
        let answer =
            self.predictor.predict(images.collect(), which, None, (), None).await.map_err(|error| failure(&error))?;
        let probabilities = answer.predictions.into_iter().map(|prediction| prediction.probabilities).collect();
        Ok(Answer { step: answer.step, probabilities })
    }
}

// The one table from errors of predictions to those of the protocol.
fn failure(error: &PredictError) -> Failure {
    let why = error.to_string();
    match error {
        PredictError::Image { why: PictureError::Busy, .. } | PredictError::Full { .. } => Failure::Busy(why),
        PredictError::NoImages
        | PredictError::TooMany { .. }
        | PredictError::TooMuch { .. }
        | PredictError::Image { .. } => Failure::Invalid(why),
        PredictError::NotFound { .. } => Failure::NotFound(why),
        PredictError::NoCheckpoint | PredictError::NoBest | PredictError::Ending => Failure::Unavailable(why),
        PredictError::Late => Failure::Late(why),
        PredictError::Unusable { .. } | PredictError::Model(_) => Failure::Internal(why),
    }
}
