//! The page asks the model that everybody asks.

use bytes::Bytes;
use page::{Answer, Answering, Model, Refusal};
use proto::v1::{PredictRequest, inference_server::Inference, predict_request::Image};
use std::fmt::Debug;
use tonic::{Code, Request, Status};

/// Something that answers predictions over gRPC, asked without it.
#[derive(Debug)]
pub struct Asked<T>(pub T);

impl<T: Inference + Debug> Asked<T> {
    async fn ask(&self, image: Image) -> Result<Answer, Refusal> {
        let request = Request::new(PredictRequest { image: Some(image) });
        let answer = self.0.predict(request).await.map_err(|status| refusal(&status))?.into_inner();
        Ok(Answer { probabilities: answer.probabilities, checkpoint: answer.checkpoint })
    }
}

impl<T: Inference + Debug> Model for Asked<T> {
    fn of_file(&self, file: Bytes) -> Answering<'_> {
        Box::pin(self.ask(Image::File(file.into())))
    }

    fn of_pixels(&self, planes: Vec<u8>) -> Answering<'_> {
        Box::pin(self.ask(Image::Pixels(planes)))
    }
}

fn refusal(status: &Status) -> Refusal {
    let why = status.message().to_owned();
    match status.code() {
        Code::InvalidArgument => Refusal::Picture(why),
        Code::FailedPrecondition | Code::ResourceExhausted | Code::Unavailable | Code::Cancelled => Refusal::Later(why),
        _ => Refusal::Broken(why),
    }
}
