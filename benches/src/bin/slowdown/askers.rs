//! Somebody who asks for a single image so many times a second.

use anyhow::{Result, bail};
use proto::v1::{PredictRequest, inference_client::InferenceClient, predict_request::Image};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};
use tonic::Status;

/// Asks until it is dropped.
#[derive(Debug)]
pub struct Askers {
    answers: Arc<Mutex<Vec<Result<f64, Status>>>>,
    asking: JoinHandle<()>,
}

impl Drop for Askers {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

impl Askers {
    /// Asks `rate` times a second, whether there was an answer or not.
    ///
    /// # Errors
    /// If nobody is at `url`.
    pub async fn start(url: &str, rate: u32) -> Result<Self> {
        let client = InferenceClient::connect(url.to_owned()).await?;
        let answers = Arc::<Mutex<Vec<Result<f64, Status>>>>::default();
        let told = Arc::clone(&answers);
        let asking = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for index in 0_u64.. {
                ticks.tick().await;
                let (mut client, told) = (client.clone(), Arc::clone(&told));
                tokio::spawn(async move {
                    let image = Some(Image::Pixels(vec![index as u8; 3072]));
                    let sent = Instant::now();
                    let answer = client.predict(PredictRequest { image, ..PredictRequest::default() }).await;
                    let answer = answer.map(|_| 1000.0 * sent.elapsed().as_secs_f64());
                    told.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
                });
            }
        });
        Ok(Self { answers, asking })
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Result<f64, Status>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers so far do not count.
    pub fn forget(&self) {
        self.answers().clear();
    }

    /// The milliseconds that each answer took.
    ///
    /// # Errors
    /// If a request was refused.
    pub fn answered(&self) -> Result<Vec<f64>> {
        let answers: Result<Vec<f64>, Status> = self.answers().iter().cloned().collect();
        match answers {
            Ok(answers) if answers.is_empty() => bail!("no prediction was answered"),
            answers => Ok(answers?),
        }
    }
}
