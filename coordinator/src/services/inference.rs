//! Inference: predictions by the checkpoints of a run.

use crate::services::{
    admission::Admitted, bad_request, messages::Admissions, predictor::Predictor, stream, unanswered,
};
use inference::{Answer, Engine, Image, ModelInfo, Which};
use proto::v1::{self, image::Content, inference_server::Inference, model_selector, predict_request};
use std::{pin::Pin, time::Duration};
use telemetry::Identity;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};

/// Checkpoints of a page, if the client does not say.
const PAGE: usize = 100;
/// The most checkpoints of a page.
const LARGEST_PAGE: usize = 1000;

/// The RPCs that answer what is in pictures.
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

    fn engine(&self) -> &Engine {
        self.predictor.engine()
    }

    /// The answer to `request`, whose memory was `admitted`. It is within the span `of`.
    pub(super) async fn answer(
        &self,
        request: v1::PredictRequest,
        admitted: Option<Admitted>,
        of: Option<Identity>,
    ) -> Result<v1::PredictResponse, Status> {
        let which = which(request.model);
        let (images, field) = images(request.image, request.images)?;
        let answer = self.predictor.predict(images, which, None, admitted, of).await;
        answer.map(|answer| self.response(answer)).map_err(|error| unanswered(&error, &field, self.engine().retry()))
    }

    fn response(&self, answer: Answer) -> v1::PredictResponse {
        let classes = &self.engine().dataset().classes;
        let prediction = |prediction: inference::Prediction| v1::Prediction {
            class: classes.get(prediction.class).cloned().unwrap_or_default(),
            class_index: prediction.class as u32,
            probabilities: prediction.probabilities,
        };
        let predictions: Vec<v1::Prediction> = answer.predictions.into_iter().map(prediction).collect();
        let first = predictions.first().cloned().unwrap_or_default();
        v1::PredictResponse {
            class: first.class,
            class_index: first.class_index,
            probabilities: first.probabilities,
            classes: classes.clone(),
            checkpoint: answer.checkpoint,
            checkpoint_accuracy: answer.accuracy,
            predictions,
            step: answer.step,
            epoch: answer.epoch,
            queue_milliseconds: milliseconds(answer.queued),
            compute_milliseconds: milliseconds(answer.computed),
        }
    }
}

/// The span that a client says its request is of, as the W3C has it.
fn traceparent(metadata: &MetadataMap) -> Option<Identity> {
    Identity::of_header(metadata.get("traceparent")?.to_str().ok()?)
}

fn milliseconds(time: Duration) -> f64 {
    1000.0 * time.as_secs_f64()
}

fn which(model: Option<v1::ModelSelector>) -> Which {
    match model.and_then(|model| model.which) {
        None | Some(model_selector::Which::Newest(_)) => Which::Newest,
        Some(model_selector::Which::Best(_)) => Which::Best,
        Some(model_selector::Which::Checkpoint(name)) => Which::Named(name),
    }
}

/// The images of a request, and the field that an image is in.
fn images(
    first: Option<predict_request::Image>,
    further: Vec<v1::Image>,
) -> Result<(Vec<Image>, impl Fn(usize) -> String), Status> {
    let alone = match first {
        Some(predict_request::Image::File(_)) => Some("file"),
        Some(predict_request::Image::Pixels(_)) => Some("pixels"),
        None => None,
    };
    let mut images: Vec<Image> = Vec::with_capacity(further.len() + 1);
    images.extend(first.map(|first| match first {
        predict_request::Image::File(file) => Image::File(file),
        predict_request::Image::Pixels(pixels) => Image::Pixels(pixels),
    }));
    for (index, image) in further.into_iter().enumerate() {
        let content = image.content.ok_or_else(|| {
            let field = format!("images[{index}]");
            bad_request(&field, &format!("{field}: no image: give the bytes of a file, or pixels"), "NO_IMAGE")
        })?;
        images.push(match content {
            Content::File(file) => Image::File(file),
            Content::Pixels(pixels) => Image::Pixels(pixels),
        });
    }
    let field = move |index: usize| match (alone, index) {
        (Some(field), 0) => field.to_owned(),
        (Some(_), index) => format!("images[{}]", index - 1),
        (None, index) => format!("images[{index}]"),
    };
    Ok((images, field))
}

/// A page of `models`, which are oldest first.
fn page(models: Vec<ModelInfo>, request: &v1::ListModelsRequest) -> Result<v1::ListModelsResponse, Status> {
    let below = match request.page_token.as_str() {
        "" => None,
        token => Some(token.parse::<u64>().map_err(|_| {
            let why = "not a token of this coordinator: give next_page_token of the answer before, or nothing";
            bad_request("page_token", why, "BAD_PAGE_TOKEN")
        })?),
    };
    let size = match request.page_size as usize {
        0 => PAGE,
        size => size.min(LARGEST_PAGE),
    };
    let mut left = models.into_iter().rev().filter(|model| below.is_none_or(|below| model.step < below)).peekable();
    let models: Vec<v1::ModelInfo> = left.by_ref().take(size).map(model_info).collect();
    let more = left.peek().is_some();
    let last = models.last().filter(|_| more);
    let next_page_token = last.map_or_else(String::new, |last| last.step.to_string());
    Ok(v1::ListModelsResponse { models, next_page_token })
}

fn model_info(model: ModelInfo) -> v1::ModelInfo {
    let ModelInfo { name, step, epoch, accuracy, newest, best, bytes, written_at } = model;
    v1::ModelInfo { name, step, epoch, accuracy, newest, best, bytes, written_at }
}

#[tonic::async_trait]
impl Inference for InferenceService {
    async fn predict(&self, mut request: Request<v1::PredictRequest>) -> Result<Response<v1::PredictResponse>, Status> {
        let admitted = request.extensions_mut().remove::<Admitted>();
        let of = traceparent(request.metadata());
        self.answer(request.into_inner(), admitted, of).await.map(Response::new)
    }

    type PredictStreamStream = Pin<Box<dyn Stream<Item = Result<v1::PredictStreamResponse, Status>> + Send>>;

    async fn predict_stream(
        &self,
        mut request: Request<Streaming<v1::PredictRequest>>,
    ) -> Result<Response<Self::PredictStreamStream>, Status> {
        let admissions = request.extensions_mut().remove::<Admissions>().unwrap_or_default();
        let of = traceparent(request.metadata());
        let answers = stream::answers(self.clone(), request.into_inner(), admissions, of);
        Ok(Response::new(Box::pin(answers)))
    }

    async fn list_models(
        &self,
        request: Request<v1::ListModelsRequest>,
    ) -> Result<Response<v1::ListModelsResponse>, Status> {
        let models = self.engine().models().await;
        let models = models.map_err(|error| unanswered(&error, &|_| String::new(), self.engine().retry()))?;
        page(models, request.get_ref()).map(Response::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(count: u64) -> Vec<ModelInfo> {
        let model = |step| ModelInfo {
            name: format!("step-{step:08}"),
            step,
            epoch: 0,
            accuracy: None,
            newest: step == count,
            best: false,
            bytes: 1,
            written_at: 2,
        };
        (1..=count).map(model).collect()
    }

    #[test]
    fn pages_are_all_of_it_once_and_newest_first() {
        let (mut seen, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = v1::ListModelsRequest { page_size: 3, page_token };
            let answer = page(models(7), &request).unwrap();
            assert!(answer.models.len() <= 3);
            seen.extend(answer.models.into_iter().map(|model| model.step));
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
        // One that is exactly full is the last.
        let request = v1::ListModelsRequest { page_size: 7, page_token: String::new() };
        assert_eq!(page(models(7), &request).unwrap().next_page_token, "");
        let request = v1::ListModelsRequest { page_size: 7, page_token: "x".to_owned() };
        assert_eq!(page(models(7), &request).unwrap_err().code(), tonic::Code::InvalidArgument);
    }

    #[test]
    fn an_image_is_told_by_its_field() {
        let image = |byte| v1::Image { content: Some(Content::Pixels(vec![byte])) };
        let (found, field) = images(Some(predict_request::Image::File(vec![0])), vec![image(1)]).unwrap();
        assert_eq!(found, [Image::File(vec![0]), Image::Pixels(vec![1])]);
        assert_eq!((field(0), field(1)), ("file".to_owned(), "images[0]".to_owned()));
        let (_, field) = images(None, vec![image(0), image(1)]).unwrap();
        assert_eq!(field(1), "images[1]");
        let error = images(None, vec![image(0), v1::Image { content: None }]).map(|_| ()).unwrap_err();
        assert!(error.message().contains("images[1]"), "{error}");
    }
}
