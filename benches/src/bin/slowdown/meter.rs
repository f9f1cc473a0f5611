//! How fast a run trains, by where it is and when.

use anyhow::{Result, bail, ensure};
use proto::v1::{GetRunRequest, RunState, training_client::TrainingClient};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{task::JoinHandle, time::sleep};

/// Between two questions. It is no watcher: many watchers are told less often.
const INTERVAL: Duration = Duration::from_millis(50);
/// Until a run trains.
const LIMIT: Duration = Duration::from_mins(2);

/// Where the run was at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    at: Instant,
    epoch: u32,
    images: f64,
}

/// Follows a run until it is dropped.
#[derive(Debug)]
pub struct Meter {
    points: Arc<Mutex<Vec<Point>>>,
    follower: JoinHandle<()>,
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl Meter {
    /// Follows the run at `url`.
    ///
    /// # Errors
    /// If it cannot be asked.
    pub async fn start(url: &str) -> Result<Self> {
        let mut client = TrainingClient::connect(url.to_owned()).await?;
        let points = Arc::<Mutex<Vec<Point>>>::default();
        let seen = Arc::clone(&points);
        let follower = tokio::spawn(async move {
            let mut batch = None;
            while let Ok(answer) = client.get_run(GetRunRequest {}).await {
                let at = Instant::now();
                sleep(INTERVAL).await;
                let run = answer.into_inner();
                if run.state() != RunState::Training {
                    continue;
                }
                let batch = *batch.get_or_insert_with(|| batch_size(&run));
                let point = Point { at, epoch: run.epoch, images: f64::from(run.step) * batch };
                let mut points = seen.lock().unwrap_or_else(PoisonError::into_inner);
                if points.last().is_none_or(|last| (last.epoch, last.images) != (point.epoch, point.images)) {
                    points.push(point);
                }
            }
        });
        Ok(Self { points, follower })
    }

    /// Waits until the run trains.
    ///
    /// # Errors
    /// If it does not.
    pub async fn goes_on(&self) -> Result<()> {
        let begin = Instant::now();
        while self.since(begin).len() < 4 {
            ensure!(begin.elapsed() < LIMIT, "the run does not train");
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Images per second of the next `time`. `None` if an epoch ended meanwhile.
    ///
    /// # Errors
    /// If the run does not go on.
    pub async fn speed(&self, time: Duration) -> Result<Option<f64>> {
        let begin = Instant::now();
        sleep(time).await;
        let points = self.since(begin);
        let [first, .., last] = &points[..] else { bail!("the run does not go on, or a window is too short") };
        if first.epoch != last.epoch {
            return Ok(None);
        }
        let seconds = last.at.duration_since(first.at).as_secs_f64();
        ensure!(seconds > time.as_secs_f64() / 2.0, "the run stood still in a window");
        Ok(Some((last.images - first.images) / seconds))
    }

    fn since(&self, begin: Instant) -> Vec<Point> {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        // Those before are of no use any more.
        points.retain(|point| point.at >= begin);
        points.clone()
    }
}

fn batch_size(run: &proto::v1::Run) -> f64 {
    let field = run.config.as_ref().and_then(|config| config.fields.get("batch_size"));
    let number = field.and_then(|value| match value.kind {
        Some(prost_types::value::Kind::NumberValue(number)) => Some(number),
        _ => None,
    });
    // Speeds are compared with each other: any unit would do.
    number.unwrap_or(1.0)
}
