//! What a run has been through, as the messages of the protocol: of a live run and of a finished one alike.

use chronicle::{Chronicle, Event, Generation};
use proto::v1;
use steering::{EpochRecord, Recovery};

/// A checkpoint that is on disk, as its manifest tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The name of its folder.
    pub name: String,
    /// The next step: the epoch, from 0.
    pub epoch: u32,
    /// And the step.
    pub step: u32,
    /// Steps since the run began.
    pub steps_done: u64,
    /// Of its weights, from 0 to 1, where they were evaluated.
    pub test_accuracy: Option<f64>,
    /// Likewise.
    pub test_loss: Option<f64>,
    /// Seconds since 1970.
    pub written_at: f64,
    /// The length of its files.
    pub bytes: u64,
    /// Of its state dict, in hexadecimal.
    pub weights_sha256: String,
}

/// An epoch's figures, as everybody sees them.
#[must_use]
pub fn epoch(record: &EpochRecord) -> v1::Epoch {
    v1::Epoch { per_class_accuracy: record.confusion.per_class_accuracy(), ..without_classes(record) }
}

fn without_classes(record: &EpochRecord) -> v1::Epoch {
    v1::Epoch {
        epoch: record.epoch,
        train_loss: record.train_loss,
        train_accuracy: record.train_accuracy,
        test_loss: record.test_loss,
        test_accuracy: record.test_accuracy,
        learning_rate: record.lr,
        seconds: record.seconds,
        images_per_second: record.images_per_second,
        ..v1::Epoch::default()
    }
}

/// Epochs that a run tells of itself: what every onlooker gets at every step must not grow with the run.
const NEWEST: usize = 100;

/// The newest of all epochs that are done, as a run tells of itself. The accuracy per class is only in the last one.
#[must_use]
pub fn newest_epochs(all: &[EpochRecord]) -> Vec<v1::Epoch> {
    let newest = all.iter().skip(all.len().saturating_sub(NEWEST));
    let mut epochs: Vec<v1::Epoch> = newest.map(without_classes).collect();
    if let (Some(shown), Some(last)) = (epochs.last_mut(), all.last()) {
        *shown = epoch(last);
    }
    epochs
}

/// An epoch with all that is recorded of it, its counts of answers too if `confusion`.
#[must_use]
pub fn whole_epoch(record: &EpochRecord, confusion: bool) -> v1::Epoch {
    v1::Epoch {
        train_images: record.train_images,
        train_seconds: record.train_seconds,
        note: record.note.clone().unwrap_or_default(),
        confusion: if confusion { record.confusion.counts().to_vec() } else { Vec::new() },
        ..epoch(record)
    }
}

/// A generation.
#[must_use]
pub fn generation(generation: &Generation) -> v1::Generation {
    let Generation { generation, members, reason, at } = generation.clone();
    v1::Generation { generation, members, reason, formed_at: at }
}

/// A failure that was survived.
#[must_use]
pub fn recovery(recovery: &Recovery) -> v1::Recovery {
    let Recovery { kind, detected_ms, resumed_ms, generation } = recovery.clone();
    v1::Recovery { kind, detected_ms, resumed_ms, generation }
}

/// Something that happened.
#[must_use]
pub fn event(event: &Event) -> v1::Event {
    let Event { number, at, text } = event.clone();
    v1::Event { number, at, text }
}

/// The checkpoints of a run in the order of their steps: those that its `chronicle` tells of, and those that are `stored`. An
/// epoch has so many `steps`.
#[must_use]
pub fn checkpoints(chronicle: &Chronicle, stored: &[Stored], steps: u32) -> Vec<v1::Checkpoint> {
    let newest = stored.iter().max_by_key(|stored| stored.steps_done).map(|stored| stored.name.as_str());
    let best = best(stored).map(|stored| stored.name.as_str());
    let is = |name: Option<&str>, stored: &Stored| name == Some(stored.name.as_str());
    let mut all: Vec<v1::Checkpoint> = stored
        .iter()
        .map(|stored| v1::Checkpoint {
            name: stored.name.clone(),
            epoch: stored.epoch,
            step: stored.step,
            steps_done: stored.steps_done,
            test_accuracy: stored.test_accuracy,
            test_loss: stored.test_loss,
            written_at: stored.written_at,
            bytes: stored.bytes,
            on_disk: true,
            newest: is(newest, stored),
            best: is(best, stored),
            weights_sha256: stored.weights_sha256.clone(),
        })
        .collect();
    let gone = chronicle.checkpoints().filter(|known| stored.iter().all(|stored| stored.name != known.name));
    all.extend(gone.map(|known| v1::Checkpoint {
        name: known.name.clone(),
        epoch: known.steps_done.checked_div(steps.into()).unwrap_or_default() as u32,
        step: known.steps_done.checked_rem(steps.into()).unwrap_or_default() as u32,
        steps_done: known.steps_done,
        written_at: known.at,
        ..v1::Checkpoint::default()
    }));
    all.sort_by_key(|checkpoint| checkpoint.steps_done);
    all
}

/// The one with the highest test accuracy; of equals the oldest.
#[must_use]
pub fn best(stored: &[Stored]) -> Option<&Stored> {
    let evaluated = stored.iter().filter(|stored| stored.test_accuracy.is_some_and(f64::is_finite));
    evaluated.fold(None, |best: Option<&Stored>, next| match best {
        Some(best) if best.test_accuracy >= next.test_accuracy => Some(best),
        _ => Some(next),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use chronicle::Fact;
    use plan::Confusion;
    use serde_json::json;

    fn stored(name: &str, steps_done: u64, test_accuracy: Option<f64>) -> Stored {
        Stored {
            name: name.to_owned(),
            epoch: 0,
            step: 0,
            steps_done,
            test_accuracy,
            test_loss: None,
            written_at: 1.0,
            bytes: 7,
            weights_sha256: "ab".to_owned(),
        }
    }

    #[test]
    fn checkpoints_that_are_gone_are_told_beside_those_on_disk() {
        let mut chronicle = Chronicle::default();
        for (name, steps_done) in [("a", 5), ("b", 10), ("c", 17)] {
            chronicle.add(2.0, Fact::Checkpoint { name: name.to_owned(), steps_done });
        }
        let on_disk = [stored("b", 10, Some(0.5)), stored("c", 17, None), stored("d", 20, Some(0.5))];
        let all = checkpoints(&chronicle, &on_disk, 5);
        let told: Vec<_> = all.iter().map(|c| (c.name.as_str(), c.on_disk, c.newest, c.best, c.bytes)).collect();
        assert_eq!(
            told,
            [
                ("a", false, false, false, 0),
                ("b", true, false, true, 7),
                ("c", true, false, false, 7),
                ("d", true, true, false, 7)
            ]
        );
        assert_eq!((all[0].epoch, all[0].step), (1, 0));
        assert_eq!(checkpoints(&chronicle, &[], 0).len(), 3, "of a run without steps nothing is divided");
    }

    #[test]
    fn the_best_is_one_that_was_evaluated() {
        assert_eq!(best(&[stored("a", 1, None), stored("b", 2, Some(f64::NAN))]), None);
        let some = [stored("a", 1, Some(0.2)), stored("b", 2, Some(0.6)), stored("c", 3, Some(0.4))];
        assert_eq!(best(&some).map(|stored| stored.name.as_str()), Some("b"));
    }
    fn record(epoch: u32) -> EpochRecord {
        serde_json::from_value(json!({
            "epoch": epoch, "train_loss": 0.5, "train_accuracy": 0.25, "train_images": 20, "test_loss": 0.5,
            "test_accuracy": 0.85, "confusion": Confusion::from_counts(vec![8, 2, 1, 9]).unwrap(), "lr": 0.1,
            "seconds": 3.0, "train_seconds": 2.0, "images_per_second": 10.0, "note": null,
            "schedule": schedule::ScheduleState::new(0.1),
        }))
        .unwrap()
    }

    #[test]
    fn what_a_run_tells_of_itself_does_not_grow_with_it() {
        let told = |epochs: u32| {
            let epochs = newest_epochs(&(0..epochs).map(record).collect::<Vec<_>>());
            let classes = epochs.iter().map(|epoch| epoch.per_class_accuracy.len()).sum::<usize>();
            let run = v1::Run { epochs, ..v1::Run::default() };
            (run.epochs.first().map(|epoch| epoch.epoch), run.epochs.len(), classes, crate::epochs_done(&run))
        };
        assert_eq!(told(0), (None, 0, 0, 0));
        assert_eq!(told(1), (Some(0), 1, 2, 1));
        assert_eq!(told(100), (Some(0), 100, 2, 100));
        assert_eq!(told(1000), (Some(900), 100, 2, 1000));
    }
}
