//! The thread that owns the tensors of predictions. Requests that wait are answered together, in one batch.

use config::RunConfig;
use data::ImageShape;
use network::{Buffers, Network};
use plan::Precision;
use state::State;
use std::{
    io,
    sync::{Arc, mpsc},
    thread,
};
use tch::{Device, Kind, Tensor, no_grad};
use thiserror::Error;
use tokio::sync::oneshot;

/// Requests that may wait.
const WAITING: usize = 256;
/// Requests that are answered together at most.
const BATCH: usize = 64;

/// What a model makes of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Of the classes, in their order; they sum to 1.
    pub probabilities: Vec<f32>,
    /// The checkpoint that answered.
    pub checkpoint: String,
    /// Its test accuracy, where it was evaluated.
    pub accuracy: Option<f64>,
}

/// Why there is no answer.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PredictError {
    /// Nothing to answer with yet.
    #[error("there is no checkpoint yet: the first comes at the end of the first epoch")]
    NoCheckpoint,
    /// Too many requests wait.
    #[error("{WAITING} requests wait already; try again later")]
    Busy,
    /// libtorch failed.
    #[error("the model failed: {0}")]
    Model(String),
    /// The coordinator is ending.
    #[error("the coordinator is ending")]
    Ending,
}

enum Request {
    Load { name: String, accuracy: Option<f64>, state: Arc<State> },
    Predict { pixels: Vec<f32>, answer: oneshot::Sender<Result<Prediction, PredictError>> },
}

/// The handle on the thread; it ends with the last handle.
#[derive(Debug, Clone)]
pub struct Predictor {
    requests: mpsc::SyncSender<Request>,
}

impl Predictor {
    /// Starts the thread for the model of `config`.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(config: RunConfig) -> io::Result<Self> {
        let (requests, receiver) = mpsc::sync_channel(WAITING);
        thread::Builder::new()
            .name("predict".to_owned())
            .spawn(move || serve(&config, &receiver))?;
        Ok(Self { requests })
    }

    /// Answers from this checkpoint from now on.
    pub fn load(&self, name: &str, accuracy: Option<f64>, state: Arc<State>) {
        // Fails only when the thread is gone, and then every request says so.
        let _ = self.requests.send(Request::Load { name: name.to_owned(), accuracy, state });
    }

    /// The classes of an image: `pixels` are of the data set's shape, channels last, normalised.
    ///
    /// # Errors
    /// If there is no answer; the error says why.
    pub async fn predict(&self, pixels: Vec<f32>) -> Result<Prediction, PredictError> {
        let (answer, answered) = oneshot::channel();
        self.requests.try_send(Request::Predict { pixels, answer }).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => PredictError::Busy,
            mpsc::TrySendError::Disconnected(_) => PredictError::Ending,
        })?;
        answered.await.unwrap_or(Err(PredictError::Ending))
    }
}

struct Loaded {
    name: String,
    accuracy: Option<f64>,
    network: Network,
}

type Waiting = Vec<(Vec<f32>, oneshot::Sender<Result<Prediction, PredictError>>)>;

fn serve(config: &RunConfig, requests: &mpsc::Receiver<Request>) {
    tch::set_num_threads(1);
    let mut loaded: Option<Loaded> = None;
    while let Ok(first) = requests.recv() {
        let mut waiting: Waiting = Vec::new();
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Request::Load { name, accuracy, state } => match load(config, &state) {
                    Ok(network) => loaded = Some(Loaded { name, accuracy, network }),
                    Err(why) => tracing::warn!("cannot answer from checkpoint {name}: {why}"),
                },
                Request::Predict { pixels, answer } => waiting.push((pixels, answer)),
            }
            next = if waiting.len() < BATCH { requests.try_recv().ok() } else { None };
        }
        answer(loaded.as_ref(), config.dataset.shape, waiting);
    }
}

fn load(config: &RunConfig, state: &State) -> Result<Network, String> {
    let architecture = config.architecture().map_err(|error| error.to_string())?;
    state
        .check(&checkpoint::slots(config, architecture.layout()))
        .map_err(|error| format!("the state is not one of {}: {error}", config.model))?;
    let [parameters, statistics] = state.model().map(Tensor::from_slice);
    let unused = statistics.zeros_like();
    let buffers = Buffers { parameters: &parameters, running: &statistics, batch: &unused };
    // Whatever the workers compute in: the same before and after a restart, on any processor.
    Network::new(&architecture, buffers, Precision::Fp32).map_err(|error| error.to_string())
}

fn answer(loaded: Option<&Loaded>, shape: ImageShape, waiting: Waiting) {
    if waiting.is_empty() {
        return;
    }
    let (pixels, answers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
    let result = match loaded {
        None => Err(PredictError::NoCheckpoint),
        Some(loaded) => probabilities(&loaded.network, shape, &pixels).map(|rows| (loaded, rows)),
    };
    match result {
        Err(error) => {
            for answer in answers {
                // A client that no longer waits is no concern of ours, here and below.
                let _ = answer.send(Err(error.clone()));
            }
        }
        Ok((loaded, rows)) => {
            for (answer, probabilities) in answers.into_iter().zip(rows) {
                let (checkpoint, accuracy) = (loaded.name.clone(), loaded.accuracy);
                let _ = answer.send(Ok(Prediction { probabilities, checkpoint, accuracy }));
            }
        }
    }
}

fn probabilities(network: &Network, shape: ImageShape, pixels: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, PredictError> {
    let [channels, height, width] = [shape.channels, shape.height, shape.width].map(i64::from);
    let failed = |error: &dyn std::error::Error| PredictError::Model(error.to_string());
    no_grad(|| {
        let images = Tensor::f_from_slice(&pixels.concat())
            .and_then(|images| images.f_view([pixels.len() as i64, height, width, channels]))
            .and_then(|images| images.f_to_device(Device::Cpu)?.f_permute([0, 3, 1, 2]))
            .map_err(|error| failed(&error))?;
        let logits = network.infer(&images, || {}).map_err(|error| failed(&error))?;
        logits
            .f_softmax(-1, Kind::Float)
            .and_then(|probabilities| Vec::<Vec<f32>>::try_from(&probabilities))
            .map_err(|error| failed(&error))
    })
}
