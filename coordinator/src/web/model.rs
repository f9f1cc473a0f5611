//! The page asks the model that everybody asks.

use crate::services::Predictor;
use bytes::Bytes;
use inference::{Image, PictureError, PredictError, Which};
use page::{Answer, Answering, Model, Refusal};
use std::time::{Duration, Instant};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// The engine of predictions, as the page asks it.
#[derive(Debug)]
pub struct Asked(pub Predictor);

impl Asked {
    async fn ask(&self, image: Image) -> Result<Answer, Refusal> {
        let deadline = Some(Instant::now() + PATIENCE);
        let answer =
            self.0.predict(vec![image], Which::Newest, deadline, (), None).await.map_err(|error| refusal(&error))?;
        let probabilities = answer.predictions.into_iter().next().map(|prediction| prediction.probabilities);
        Ok(Answer { probabilities: probabilities.unwrap_or_default(), checkpoint: answer.checkpoint })
    }
}

impl Model for Asked {
    fn of_file(&self, file: Bytes) -> Answering<'_> {
        Box::pin(self.ask(Image::File(file.into())))
    }

    fn of_pixels(&self, planes: Vec<u8>) -> Answering<'_> {
        Box::pin(self.ask(Image::Pixels(planes)))
    }
}

fn refusal(error: &PredictError) -> Refusal {
    let why = error.to_string();
    match error {
        PredictError::Image { why: PictureError::Busy, .. }
        | PredictError::NoCheckpoint
        | PredictError::NoBest
        | PredictError::Full { .. }
        | PredictError::Ending
        | PredictError::Late => Refusal::Later(why),
        PredictError::Image { .. } => Refusal::Picture(why),
        _ => Refusal::Broken(why),
    }
}
