//! Between the messages and what they mean.

use crate::v1;
use plan::{ChunkResult, Confusion, Position, Precision, Reduction, RunConfig, Totals, Wire};
use thiserror::Error;

/// A message that means nothing.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("the other side sent {what}: does it run the same version?")]
pub struct Malformed {
    /// What is wrong with it.
    pub what: String,
}

impl Malformed {
    /// A message that lacks something or holds something impossible.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl From<Position> for v1::Position {
    fn from(position: Position) -> Self {
        Self { epoch: position.epoch, step: position.step }
    }
}

impl From<v1::Position> for Position {
    fn from(position: v1::Position) -> Self {
        Self { epoch: position.epoch, step: position.step }
    }
}

impl From<Totals> for v1::Totals {
    fn from(totals: Totals) -> Self {
        Self { loss: totals.loss, correct: totals.correct, samples: totals.samples }
    }
}

impl From<v1::Totals> for Totals {
    fn from(totals: v1::Totals) -> Self {
        Self { loss: totals.loss, correct: totals.correct, samples: totals.samples }
    }
}

impl From<ChunkResult> for v1::ChunkResult {
    fn from(result: ChunkResult) -> Self {
        Self { chunk: result.chunk, loss: result.loss, confusion: result.confusion.counts().to_vec() }
    }
}

impl TryFrom<v1::ChunkResult> for ChunkResult {
    type Error = Malformed;

    fn try_from(result: v1::ChunkResult) -> Result<Self, Malformed> {
        let confusion = Confusion::from_counts(result.confusion)
            .ok_or_else(|| Malformed::new("an evaluation without all its counts"))?;
        Ok(Self { chunk: result.chunk, loss: result.loss, confusion })
    }
}

impl From<&RunConfig> for v1::RunConfig {
    fn from(config: &RunConfig) -> Self {
        Self {
            model: config.model.clone(),
            epochs: config.epochs,
            batch_size: config.batch_size,
            shards: config.shards,
            threads: config.threads,
            seed: config.seed,
            precision: config.precision.to_string(),
            reduction: config.reduction.to_string(),
            wire: config.wire.to_string(),
            learning_rate: config.lr,
            momentum: config.momentum,
            nesterov: config.nesterov,
            weight_decay: config.weight_decay,
            label_smoothing: config.label_smoothing,
            schedule: serde_json::to_string(&config.schedule)
                .expect("a schedule holds numbers and names only, which JSON can always express"),
            train_samples: config.train_samples,
            test_samples: config.test_samples,
        }
    }
}

impl TryFrom<v1::RunConfig> for RunConfig {
    type Error = Malformed;

    fn try_from(config: v1::RunConfig) -> Result<Self, Malformed> {
        let precision = match config.precision.as_str() {
            "fp32" => Precision::Fp32,
            "bf16" => Precision::Bf16,
            other => return Err(Malformed::new(format!("the precision {other:?}"))),
        };
        let reduction = match config.reduction.as_str() {
            "tree" => Reduction::Tree,
            "ring" => Reduction::Ring,
            other => return Err(Malformed::new(format!("the reduction {other:?}"))),
        };
        let wire = match config.wire.as_str() {
            "fp32" => Wire::Fp32,
            "bf16" => Wire::Bf16,
            other => return Err(Malformed::new(format!("the wire format {other:?}"))),
        };
        let schedule = serde_json::from_str(&config.schedule)
            .map_err(|error| Malformed::new(format!("the schedule {:?} ({error})", config.schedule)))?;
        Ok(Self {
            model: config.model,
            epochs: config.epochs,
            batch_size: config.batch_size,
            shards: config.shards,
            threads: config.threads,
            seed: config.seed,
            precision,
            reduction,
            wire,
            lr: config.learning_rate,
            momentum: config.momentum,
            nesterov: config.nesterov,
            weight_decay: config.weight_decay,
            label_smoothing: config.label_smoothing,
            schedule,
            train_samples: config.train_samples,
            test_samples: config.test_samples,
        })
    }
}
