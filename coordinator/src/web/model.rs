//! The page asks the model that everybody asks.

use bytes::Bytes;
use inference::{Engine, Image, PictureError, PredictError, Which};
use page::{Answer, Answering, Model, Refusal};

/// The engine of predictions, as the page asks it.
#[derive(Debug)]
pub struct Asked(pub Engine);

impl Asked {
    async fn ask(&self, image: Image) -> Result<Answer, Refusal> {
        let answer = self.0.predict(vec![image], Which::Newest, None, ()).await.map_err(|error| refusal(&error))?;
        let first = answer.predictions.into_iter().next();
        let probabilities = first.map_or_else(Vec::new, |prediction| prediction.probabilities);
        Ok(Answer { probabilities, checkpoint: answer.checkpoint })
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
        PredictError::Image { why: PictureError::Busy, .. } => Refusal::Later(why),
        PredictError::Image { .. } => Refusal::Picture(why),
        PredictError::Full { .. } | PredictError::NoCheckpoint | PredictError::NoBest | PredictError::Ending => {
            Refusal::Later(why)
        }
        _ => Refusal::Broken(why),
    }
}
