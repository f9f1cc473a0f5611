//! The test set of a run, and what a checkpoint makes of it.

use crate::{connect::Coordinator, error::Failure, predict::selector};
use data::{Dataset, DatasetSpec, Split};
use proto::v1::{Image, PredictRequest, PredictResponse, Run, image::Content};
use std::{path::Path, sync::Arc};

/// Images of a request.
const TOGETHER: usize = 256;

/// The test set of `run`, whose files are in `data_dir`: at most `limit` images of it.
///
/// # Errors
/// If the run does not name it, or its files are not there.
pub fn open(run: &Run, data_dir: &Path, limit: usize) -> Result<Dataset, Failure> {
    let config = run.config.as_ref().map(proto::to_value).unwrap_or_default();
    let spec: DatasetSpec = serde_json::from_value(config["dataset"].clone())
        .map_err(|error| Failure::Data(format!("the run does not tell its data set: {error}")))?;
    let used = config["test_samples"].as_u64().map_or(usize::MAX, |used| used as usize);
    importers::open(&Arc::new(spec), data_dir, Split::Test, Some(limit.min(used)))
        .map_err(|error| Failure::Data(format!("{error}; name the directory of the data set's files with --data-dir")))
}

/// What one checkpoint makes of each image, in their order.
#[derive(Debug)]
pub struct Answers {
    /// The answer to the first request: checkpoint, classes, accuracy.
    pub first: PredictResponse,
    /// A probability for each class, for each image.
    pub probabilities: Vec<Vec<f32>>,
}

impl Answers {
    /// The most probable class of an image: the first of equal ones.
    #[must_use]
    pub fn class(&self, index: usize) -> usize {
        let mut best = 0;
        let probabilities = &self.probabilities[index];
        for (class, probability) in probabilities.iter().enumerate() {
            if probability.total_cmp(&probabilities[best]).is_gt() {
                best = class;
            }
        }
        best
    }
}

/// Asks `coordinator` about all images of `data`. The checkpoint that answers first answers to the end.
///
/// # Errors
/// If it does not answer.
pub async fn ask(coordinator: &Coordinator, data: &Dataset, checkpoint: &str) -> Result<Answers, Failure> {
    let mut first: Option<PredictResponse> = None;
    let mut probabilities = Vec::with_capacity(data.len());
    let indices: Vec<usize> = (0..data.len()).collect();
    for piece in indices.chunks(TOGETHER) {
        let name = first.as_ref().map_or(checkpoint, |first| &first.checkpoint).to_owned();
        let image = |index: &usize| Image { content: Some(Content::Pixels(data.pixels(*index).to_vec())) };
        let images = piece.iter().map(image).collect();
        let request = PredictRequest { images, model: Some(selector(&name)), ..PredictRequest::default() };
        let response = coordinator.predict(request).await?;
        probabilities.extend(response.predictions.iter().map(|prediction| prediction.probabilities.clone()));
        first.get_or_insert(response);
    }
    let first = first.ok_or_else(|| Failure::Data("the test set is empty".to_owned()))?;
    if probabilities.len() != data.len() || probabilities.iter().any(|each| each.len() != first.classes.len()) {
        return Err(proto::Malformed::new("predictions that are not one for each image and class").into());
    }
    Ok(Answers { first, probabilities })
}
