//! The items of lists as JSON: the names of the `.proto` files, in their order.

use plan::number;
use proto::v1::{Checkpoint, Event, Generation};
use serde::Serialize;

/// A checkpoint that was written; what is absent is null.
#[derive(Debug, Serialize)]
pub struct CheckpointView<'a> {
    name: &'a str,
    epoch: u32,
    step: u32,
    steps_done: u64,
    #[serde(with = "number::optional")]
    test_accuracy: Option<f64>,
    #[serde(with = "number::optional")]
    test_loss: Option<f64>,
    #[serde(with = "number")]
    written_at: f64,
    bytes: u64,
    on_disk: bool,
    newest: bool,
    best: bool,
    weights_sha256: &'a str,
}

impl<'a> CheckpointView<'a> {
    /// Of `checkpoint`.
    #[must_use]
    pub fn new(checkpoint: &'a Checkpoint) -> Self {
        Self {
            name: &checkpoint.name,
            epoch: checkpoint.epoch,
            step: checkpoint.step,
            steps_done: checkpoint.steps_done,
            test_accuracy: checkpoint.test_accuracy,
            test_loss: checkpoint.test_loss,
            written_at: checkpoint.written_at,
            bytes: checkpoint.bytes,
            on_disk: checkpoint.on_disk,
            newest: checkpoint.newest,
            best: checkpoint.best,
            weights_sha256: &checkpoint.weights_sha256,
        }
    }
}

/// A set of workers that trained together.
#[derive(Debug, Serialize)]
pub struct GenerationView<'a> {
    generation: u64,
    members: &'a [String],
    reason: &'a str,
    #[serde(with = "number")]
    formed_at: f64,
}

impl<'a> GenerationView<'a> {
    /// Of `generation`.
    #[must_use]
    pub fn new(generation: &'a Generation) -> Self {
        let Generation { generation, members, reason, formed_at } = generation;
        Self { generation: *generation, members, reason, formed_at: *formed_at }
    }
}

/// Something that happened.
#[derive(Debug, Serialize)]
pub struct EventView<'a> {
    number: u64,
    #[serde(with = "number")]
    at: f64,
    text: &'a str,
}

impl<'a> EventView<'a> {
    /// Of `event`.
    #[must_use]
    pub fn new(event: &'a Event) -> Self {
        let Event { number, at, text } = event;
        Self { number: *number, at: *at, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_scripts_expect() {
        let checkpoint = Checkpoint { name: "a".to_owned(), test_loss: Some(f64::NAN), ..Checkpoint::default() };
        let json = serde_json::to_string(&CheckpointView::new(&checkpoint)).unwrap();
        assert!(
            json.starts_with(r#"{"name":"a","epoch":0,"step":0,"steps_done":0,"test_accuracy":null,"test_loss":"NaN""#)
        );
        let event = Event { number: 3, at: 1.5, text: "w came".to_owned() };
        assert_eq!(serde_json::to_string(&EventView::new(&event)).unwrap(), r#"{"number":3,"at":1.5,"text":"w came"}"#);
        let members = vec!["a".to_owned()];
        let generation = Generation { generation: 2, members, reason: "why".to_owned(), formed_at: 1.0 };
        assert_eq!(
            serde_json::to_string(&GenerationView::new(&generation)).unwrap(),
            r#"{"generation":2,"members":["a"],"reason":"why","formed_at":1.0}"#
        );
    }
}
