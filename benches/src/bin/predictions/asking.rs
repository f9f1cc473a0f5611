//! Some who ask, each by a connection of its own and one image after the other.

use anyhow::Result;
use proto::v1::{
    Image, PredictRequest, image::Content, inference_client::InferenceClient, predict_request::Image as First,
};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What came of asking for a while.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// That each answer took.
    pub milliseconds: Vec<f64>,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// Processor time of the coordinator and of this program meanwhile, in seconds.
    pub cpu: [f64; 2],
}

impl Asked {
    /// Answers per second.
    pub fn rate(&self) -> f64 {
        self.milliseconds.len() as f64 / self.seconds
    }
}

fn pixels(index: usize) -> Vec<u8> {
    (0..3072).map(|place| (place * 31 + index * 17) as u8).collect()
}

/// A request for one image.
pub fn single(index: usize) -> PredictRequest {
    PredictRequest { image: Some(First::Pixels(pixels(index))), ..PredictRequest::default() }
}

/// A request for `count` images.
pub fn batch(count: usize) -> PredictRequest {
    let images = (0..count).map(|index| Image { content: Some(Content::Pixels(pixels(index))) }).collect();
    PredictRequest { images, ..PredictRequest::default() }
}

/// What comes of `askers` who ask for `time`.
///
/// # Errors
/// If one of them gets no answer.
pub async fn of_many(url: &str, askers: usize, time: Duration) -> Result<Asked> {
    let mut clients = Vec::new();
    for _ in 0..askers {
        let mut client = InferenceClient::connect(url.to_owned()).await?;
        client.predict(single(0)).await?;
        clients.push(client);
    }
    let begin = Instant::now();
    let mut asking = JoinSet::new();
    for (index, mut client) in clients.into_iter().enumerate() {
        asking.spawn(async move {
            let mut milliseconds = Vec::new();
            while begin.elapsed() < time {
                let request = single(index);
                let sent = Instant::now();
                client.predict(request).await?;
                milliseconds.push(1000.0 * sent.elapsed().as_secs_f64());
            }
            Ok::<_, tonic::Status>(milliseconds)
        });
    }
    let mut asked = Asked::default();
    while let Some(milliseconds) = asking.join_next().await {
        asked.milliseconds.extend(milliseconds??);
    }
    asked.seconds = begin.elapsed().as_secs_f64();
    Ok(asked)
}
