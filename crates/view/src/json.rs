//! The run as JSON: the names of the `.proto` files, in their order. Numbers that JSON does not have are strings, as in
//! protobuf's own JSON: "NaN", "Infinity", "-Infinity".

use crate::word;
use plan::number;
use proto::v1::{Condition, ConditionStatus, Epoch, Recovery, Run, Worker};
use serde::Serialize;
use serde_json::Value;

/// A run. Fractions are 0 to 1; what is absent is null.
#[derive(Debug, Serialize)]
pub struct RunView<'a> {
    id: &'a str,
    state: &'static str,
    reason: &'a str,
    epoch: u32,
    step: u32,
    steps_per_epoch: u32,
    #[serde(with = "number::optional")]
    train_loss: Option<f64>,
    #[serde(with = "number::optional")]
    train_accuracy: Option<f64>,
    #[serde(with = "number")]
    learning_rate: f64,
    #[serde(with = "number")]
    images_per_second: f64,
    #[serde(with = "number::optional")]
    seconds_left: Option<f64>,
    generation: u64,
    workers: Vec<WorkerView<'a>>,
    epochs: Vec<EpochView<'a>>,
    /// With the names of config.json.
    config: Option<Value>,
    checkpoint: &'a str,
    best_checkpoint: &'a str,
    #[serde(with = "number::optional")]
    best_accuracy: Option<f64>,
    #[serde(with = "number")]
    wall_seconds: f64,
    recoveries: Vec<RecoveryView<'a>>,
    conditions: Vec<ConditionView<'a>>,
    weights_sha256: &'a str,
}

#[derive(Debug, Serialize)]
struct ConditionView<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    status: &'static str,
    reason: &'a str,
    message: &'a str,
    #[serde(with = "number")]
    since: f64,
}

/// A failure and the way back from it.
#[derive(Debug, Serialize)]
pub struct RecoveryView<'a> {
    kind: &'a str,
    detected_ms: u64,
    resumed_ms: Option<u64>,
    generation: u64,
}

/// A worker; what is absent is null.
#[derive(Debug, Serialize)]
pub struct WorkerView<'a> {
    name: &'a str,
    device: &'a str,
    device_name: &'a str,
    rank: Option<u32>,
    preparing: bool,
    shards: &'a [u32],
    epoch: u32,
    step: u32,
    last_seen_ms: u64,
    #[serde(with = "number")]
    compute_seconds: f64,
    #[serde(with = "number")]
    wait_seconds: f64,
    strikes: u32,
    set_aside: &'a str,
    back_in_seconds: Option<f64>,
}

/// An epoch's figures. Fractions are 0 to 1.
#[derive(Debug, Serialize)]
pub struct EpochView<'a> {
    epoch: u32,
    #[serde(with = "number")]
    train_loss: f64,
    #[serde(with = "number")]
    train_accuracy: f64,
    #[serde(with = "number")]
    test_loss: f64,
    #[serde(with = "number")]
    test_accuracy: f64,
    #[serde(with = "number")]
    learning_rate: f64,
    #[serde(with = "number")]
    seconds: f64,
    #[serde(with = "number")]
    images_per_second: f64,
    #[serde(with = "number::list")]
    per_class_accuracy: &'a [f64],
}

impl<'a> RecoveryView<'a> {
    /// Of `recovery`.
    #[must_use]
    pub fn new(recovery: &'a Recovery) -> Self {
        let Recovery { kind, detected_ms, resumed_ms, generation } = recovery;
        Self { kind, detected_ms: *detected_ms, resumed_ms: *resumed_ms, generation: *generation }
    }
}

impl<'a> ConditionView<'a> {
    fn new(condition: &'a Condition) -> Self {
        let Condition { r#type, reason, message, since, .. } = condition;
        let status = match condition.status() {
            ConditionStatus::True => "true",
            ConditionStatus::False => "false",
            ConditionStatus::Unknown | ConditionStatus::Unspecified => "unknown",
        };
        Self { kind: r#type, status, reason, message, since: *since }
    }
}

impl<'a> RunView<'a> {
    /// Of `run`.
    #[must_use]
    pub fn new(run: &'a Run) -> Self {
        Self {
            epochs: run.epochs.iter().map(EpochView::new).collect(),
            config: run.config.as_ref().map(proto::to_value),
            ..Self::brief(run)
        }
    }

    /// Of `run`, without its epochs and its configuration: for those who have them already.
    #[must_use]
    pub fn brief(run: &'a Run) -> Self {
        Self {
            id: &run.id,
            state: word(run.state()),
            reason: &run.reason,
            epoch: run.epoch,
            step: run.step,
            steps_per_epoch: run.steps_per_epoch,
            train_loss: run.train_loss,
            train_accuracy: run.train_accuracy,
            learning_rate: run.learning_rate,
            images_per_second: run.images_per_second,
            seconds_left: run.seconds_left,
            generation: run.generation,
            workers: run.workers.iter().map(WorkerView::new).collect(),
            epochs: Vec::new(),
            config: None,
            checkpoint: &run.checkpoint,
            best_checkpoint: &run.best_checkpoint,
            best_accuracy: run.best_accuracy,
            wall_seconds: run.wall_seconds,
            recoveries: run.recoveries.iter().map(RecoveryView::new).collect(),
            conditions: run.conditions.iter().map(ConditionView::new).collect(),
            weights_sha256: &run.weights_sha256,
        }
    }
}

impl<'a> WorkerView<'a> {
    /// Of `worker`.
    #[must_use]
    pub fn new(worker: &'a Worker) -> Self {
        Self {
            name: &worker.name,
            device: &worker.device,
            device_name: &worker.device_name,
            rank: worker.rank,
            preparing: worker.preparing,
            shards: &worker.shards,
            epoch: worker.epoch,
            step: worker.step,
            last_seen_ms: worker.last_seen_ms,
            compute_seconds: worker.compute_seconds,
            wait_seconds: worker.wait_seconds,
            strikes: worker.strikes,
            set_aside: &worker.set_aside,
            back_in_seconds: worker.back_in_seconds,
        }
    }
}

impl<'a> EpochView<'a> {
    /// Of `epoch`.
    #[must_use]
    pub fn new(epoch: &'a Epoch) -> Self {
        Self {
            epoch: epoch.epoch,
            train_loss: epoch.train_loss,
            train_accuracy: epoch.train_accuracy,
            test_loss: epoch.test_loss,
            test_accuracy: epoch.test_accuracy,
            learning_rate: epoch.learning_rate,
            seconds: epoch.seconds,
            images_per_second: epoch.images_per_second,
            per_class_accuracy: &epoch.per_class_accuracy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::{Struct, value::Kind};
    use proto::v1::RunState;
    use serde_json::json;

    #[test]
    fn names_and_states_as_scripts_expect() {
        let run = Run {
            id: "r1".to_owned(),
            state: RunState::Evaluating.into(),
            train_loss: Some(0.5),
            workers: vec![Worker { name: "w".to_owned(), shards: vec![0, 1], ..Worker::default() }],
            epochs: vec![Epoch { test_accuracy: 0.25, ..Epoch::default() }],
            config: Some(proto::to_message(&json!({"schedule": {"kind": "plateau", "patience": 5}}))),
            ..Run::default()
        };
        let value = serde_json::to_value(RunView::new(&run)).unwrap();
        assert_eq!(value["state"], "evaluating");
        assert_eq!(value["train_loss"], 0.5);
        assert_eq!(value["seconds_left"], Value::Null);
        assert_eq!(value["workers"][0]["shards"], json!([0, 1]));
        assert_eq!(value["workers"][0]["rank"], Value::Null);
        assert_eq!(value["epochs"][0]["test_accuracy"], 0.25);
        assert_eq!(value["config"]["schedule"]["patience"], 5);
    }

    #[test]
    fn numbers_that_are_none_are_words() {
        let run = |number| Run {
            train_loss: Some(number),
            train_accuracy: Some(number),
            learning_rate: number,
            images_per_second: number,
            seconds_left: Some(number),
            best_accuracy: Some(number),
            wall_seconds: number,
            workers: vec![Worker { compute_seconds: number, wait_seconds: number, ..Worker::default() }],
            epochs: vec![Epoch {
                train_loss: number,
                train_accuracy: number,
                test_loss: number,
                test_accuracy: number,
                learning_rate: number,
                seconds: number,
                images_per_second: number,
                per_class_accuracy: vec![number],
                ..Epoch::default()
            }],
            config: Some(Struct { fields: [("lr".to_owned(), Kind::NumberValue(number).into())].into() }),
            ..Run::default()
        };
        let json = |number| serde_json::to_string(&RunView::new(&run(number))).unwrap();
        let fine = json(0.5);
        assert_eq!(fine.matches(":0.5").count() + fine.matches("[0.5]").count(), 18, "{fine}");
        for (number, word) in [(f64::NAN, "NaN"), (f64::INFINITY, "Infinity"), (f64::NEG_INFINITY, "-Infinity")] {
            assert_eq!(json(number), fine.replace("0.5", &format!("\"{word}\"")));
        }
    }

    #[test]
    fn the_order_is_that_of_the_message() {
        let text = serde_json::to_string(&RunView::new(&Run::default())).unwrap();
        assert!(text.starts_with(r#"{"id":"","state":"unknown","reason":"","epoch":0,"step":0,"#), "{text}");
    }
}
