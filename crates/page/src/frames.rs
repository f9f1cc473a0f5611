//! What has happened since, as server-sent events.

use bytes::Bytes;
use chronicle::Chronicle;
use proto::v1::Run;
use serde::Serialize;
use serde_json::{Value, json};
use steering::EpochRecord;
use view::RunView;

/// An event for readers: its name, and its data as JSON.
pub(crate) type Happened = (&'static str, String);

/// How far a chronicle was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cursor {
    version: u64,
    epoch: Option<u32>,
    event: u64,
    generation: Option<u64>,
    checkpoint: Option<(String, f64)>,
    recoveries: usize,
    alert: u64,
}

impl Cursor {
    /// At the end of `chronicle`.
    pub(crate) fn end_of(chronicle: &Chronicle) -> Self {
        Self {
            version: chronicle.version(),
            epoch: chronicle.epochs().last().map(|record| record.epoch),
            event: chronicle.events().next_back().map_or(0, |event| event.number + 1),
            generation: chronicle.generations().next_back().map(|generation| generation.generation),
            checkpoint: chronicle.checkpoints().next_back().map(|saved| (saved.name.clone(), saved.at)),
            recoveries: chronicle.recoveries().len(),
            alert: chronicle.alerts_from(0).next_back().map_or(0, |told| told.number + 1),
        }
    }

    /// What `chronicle` has beyond, and goes to its end. If that cannot be told as additions, readers are to begin anew.
    pub(crate) fn advance(&mut self, chronicle: &Chronicle) -> Vec<Happened> {
        let facts = chronicle.version().saturating_sub(self.version);
        let new = self.beyond(chronicle);
        *self = Self::end_of(chronicle);
        // Every fact that only adds is one event. Epochs that were taken back, or another run, are none.
        if new.len() as u64 == facts { new } else { vec![("reset", json!({"version": self.version}).to_string())] }
    }

    fn beyond(&self, chronicle: &Chronicle) -> Vec<Happened> {
        let epochs = chronicle.epochs().iter().filter(|record| self.epoch.is_none_or(|last| record.epoch > last));
        let generations = chronicle.generations().rev();
        let generations = generations.take_while(|new| self.generation.is_none_or(|last| new.generation > last));
        let last = self.checkpoint.as_ref();
        let is_new = |name: &str, at: f64| last.is_none_or(|(known, when)| known != name || *when != at);
        let checkpoints = chronicle.checkpoints().rev().take_while(|saved| is_new(&saved.name, saved.at));
        let recoveries = chronicle.recoveries().skip(self.recoveries);
        let mut happened: Vec<Happened> = epochs.map(|record| ("epoch", row(record).to_string())).collect();
        happened.extend(told("generation", generations.collect::<Vec<_>>().into_iter().rev()));
        happened.extend(told("checkpoint", checkpoints.collect::<Vec<_>>().into_iter().rev()));
        happened.extend(told("recovery", recoveries));
        happened.extend(told("event", chronicle.events_from(self.event)));
        happened.extend(told("alert", chronicle.alerts_from(self.alert)));
        happened
    }
}

fn told<'a, T: Serialize + 'a>(
    name: &'static str,
    items: impl Iterator<Item = &'a T>,
) -> impl Iterator<Item = Happened> {
    // What is shown has no keys that JSON does not have.
    items.map(move |item| (name, serde_json::to_string(item).unwrap_or_default()))
}

/// An epoch, with the names of the columns.
fn row(record: &EpochRecord) -> Value {
    json!({
        "epoch": record.epoch,
        "train_loss": record.train_loss,
        "train_accuracy": record.train_accuracy,
        "test_loss": record.test_loss,
        "test_accuracy": record.test_accuracy,
        "learning_rate": record.lr,
        "seconds": record.seconds,
        "images_per_second": record.images_per_second,
        "note": record.note,
    })
}

/// The run as it stands.
pub(crate) fn run(run: &Run) -> Happened {
    ("run", serde_json::to_string(&RunView::brief(run)).unwrap_or_default())
}

/// An event as it is sent. Those with an id can be gone on from.
pub(crate) fn frame(id: Option<&str>, (name, data): &Happened) -> Bytes {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    // JSON of one line.
    format!("{id}event: {name}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chronicle::{Alert, Fact};

    fn names(happened: &[Happened]) -> Vec<&'static str> {
        happened.iter().map(|(name, _)| *name).collect()
    }

    fn generation(generation: u64) -> Fact {
        Fact::Generation { generation, members: vec!["a".to_owned()], reason: "begins".to_owned() }
    }

    #[test]
    fn every_fact_is_told_once_and_in_order() {
        let mut chronicle = Chronicle::default();
        chronicle.add(1.0, Fact::Event("before".to_owned()));
        let mut cursor = Cursor::end_of(&chronicle);
        assert!(cursor.advance(&chronicle).is_empty());
        for number in 1..3 {
            chronicle.add(2.0, generation(number));
            chronicle.add(3.0, Fact::Checkpoint { name: format!("c{number}"), steps_done: number });
        }
        chronicle.add(4.0, Fact::Event("after".to_owned()));
        chronicle.add(5.0, Fact::Alert(Alert { kind: "run-stalled".to_owned(), ..Alert::default() }));
        let happened = cursor.advance(&chronicle);
        assert_eq!(names(&happened), ["generation", "generation", "checkpoint", "checkpoint", "event", "alert"]);
        assert!(happened[0].1.contains("\"generation\":1") && happened[2].1.contains("c1"), "{happened:?}");
        assert!(happened[5].1.contains("\"kind\":\"run-stalled\""), "{happened:?}");
        assert!(happened[4].1.contains("after") && !happened[4].1.contains("before"));
        assert!(cursor.advance(&chronicle).is_empty());
    }

    #[test]
    fn what_takes_something_back_begins_anew() {
        let mut chronicle = Chronicle::default();
        chronicle.add(1.0, generation(1));
        let mut cursor = Cursor::default();
        assert_eq!(names(&cursor.advance(&chronicle)), ["generation"]);
        chronicle.add(2.0, Fact::Rewind { epoch: 0 });
        chronicle.add(2.0, generation(2));
        assert_eq!(names(&cursor.advance(&chronicle)), ["reset"]);
        chronicle.add(3.0, generation(3));
        assert_eq!(names(&cursor.advance(&chronicle)), ["generation"]);
    }
}
