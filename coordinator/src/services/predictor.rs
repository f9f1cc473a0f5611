//! Predictions, each of which is a span, whoever asks.

use inference::{Answer, Engine, Image, PredictError, Which};
use std::{sync::Arc, time::Instant};
use telemetry::{Identity, Kind, Span, Telemetry};

/// Asks the engine of predictions.
#[derive(Debug, Clone)]
pub struct Predictor {
    engine: Engine,
    telemetry: Telemetry,
    run: Arc<str>,
}

impl Predictor {
    /// Asks `engine`, which answers by checkpoints of the run with the id `run`.
    #[must_use]
    pub fn new(engine: Engine, telemetry: Telemetry, run: &str) -> Self {
        Self { engine, telemetry, run: run.into() }
    }

    /// What it asks.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// [`Engine::predict`], within the span `of` if the client names one.
    ///
    /// # Errors
    /// Those of [`Engine::predict`].
    pub async fn predict(
        &self,
        images: Vec<Image>,
        which: Which,
        deadline: Option<Instant>,
        held: impl Clone + Send + 'static,
        of: Option<Identity>,
    ) -> Result<Answer, PredictError> {
        let identity = of.map_or_else(Identity::alone, Identity::within);
        let span = Span::new("predict", identity, of)
            .of_kind(Kind::Server)
            .with("run", self.run.to_string())
            .with("images", images.len() as i64);
        let result = self.engine.predict(images, which, deadline, held).await;
        self.telemetry.end(match &result {
            Ok(answer) => span
                .with("checkpoint", answer.checkpoint.clone())
                .with("epoch", i64::from(answer.epoch))
                .with("step", answer.step as i64)
                .with("queue_seconds", answer.queued.as_secs_f64())
                .with("compute_seconds", answer.computed.as_secs_f64()),
            Err(error) => span.failed(&error.to_string()),
        });
        result
    }
}
