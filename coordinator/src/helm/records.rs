//! What a run writes down as it goes: its journal and metrics.jsonl. Training goes on if the disk is full or read-only
//! for a while. What the disk did not take is written as soon as it can be.
//!
//! The journal comes first. Everything else follows from it: metrics.jsonl and the files for TensorBoard hold an epoch only once
//! the journal has it. A coordinator that begins writes both anew, as a kill may have come between the two.

use crate::{
    error::Error,
    journal::{Entry, Journal, now},
    summary::{self, EventFiles},
};
use chronicle::Chronicle;
use std::path::PathBuf;
use steering::EpochRecord;
use tokio::sync::watch;

/// The journal and metrics.jsonl of a run.
pub struct Records {
    journal: Journal,
    /// The same, for those who look at the run. They see what is recorded, also while a disk does not take it.
    chronicle: watch::Sender<Chronicle>,
    run_dir: PathBuf,
    /// The epochs that are done.
    history: Vec<EpochRecord>,
    /// The same for TensorBoard.
    events: EventFiles,
    metrics: Metrics,
    /// Whether the files for TensorBoard lack epochs, or have some that are void.
    events_behind: bool,
    /// Whether people were told that the disk takes nothing.
    told: bool,
}

/// How metrics.jsonl stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metrics {
    /// It has all epochs.
    Whole,
    /// It lacks epochs, has some that are void, or ends in half a line.
    Behind,
    /// It is behind for it takes nothing, and people were told.
    Refused,
}

impl Records {
    /// The records in `run_dir`. The epochs in `journal` are `history`. What follows from the journal is written anew: a killed
    /// coordinator may have left it without the last of them, or with void ones.
    #[must_use]
    pub fn new(
        journal: Journal,
        chronicle: watch::Sender<Chronicle>,
        run_dir: PathBuf,
        history: Vec<EpochRecord>,
    ) -> Self {
        let events = EventFiles::new(&run_dir);
        // Of a run that has done nothing yet there is nothing.
        let behind = !history.is_empty() || run_dir.join(summary::METRICS).exists();
        let metrics = if behind { Metrics::Behind } else { Metrics::Whole };
        let events_behind = !history.is_empty() || events.exist();
        let mut records = Self { journal, chronicle, run_dir, history, events, metrics, events_behind, told: false };
        records.follow();
        records
    }

    /// Records all of `entries` together.
    ///
    /// # Errors
    /// If the journal is damaged.
    pub fn keep_all(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        let mut done = Vec::new();
        let mut again = false;
        for entry in &entries {
            match entry {
                Entry::Epoch(record) => {
                    self.history.push(EpochRecord::clone(record));
                    done.push(EpochRecord::clone(record));
                }
                Entry::Rewind { epoch } => {
                    self.history.retain(|record| record.epoch < *epoch);
                    again = true;
                }
                _ => {}
            }
        }
        let at = now();
        let facts: Vec<_> = entries.iter().filter_map(Entry::fact).collect();
        self.journal.record(at, entries)?;
        self.chronicle.send_modify(|chronicle| facts.into_iter().for_each(|fact| chronicle.add(at, fact)));
        self.tell();
        if again || self.journal.refused().is_some() {
            if self.metrics == Metrics::Whole && (again || !done.is_empty()) {
                self.metrics = Metrics::Behind;
            }
            self.events_behind |= again || !done.is_empty();
            self.follow();
            return Ok(());
        }
        if self.metrics != Metrics::Whole || self.events_behind {
            self.follow();
            return Ok(());
        }
        if !done.is_empty() {
            self.events.add(&self.history, done.len());
        }
        for record in done {
            if let Err(error) = summary::append_metrics(&self.run_dir, &record) {
                self.metrics_refused(&error);
            }
        }
        Ok(())
    }

    /// Writes what follows from the journal and is behind, once the journal has everything.
    fn follow(&mut self) {
        if self.journal.refused().is_some() {
            return;
        }
        if self.metrics != Metrics::Whole {
            self.write_metrics();
        }
        if std::mem::take(&mut self.events_behind) {
            self.events.write(&self.history);
        }
    }

    /// Tries again to write what is not on disk yet.
    ///
    /// # Errors
    /// If the journal is damaged.
    pub fn catch_up(&mut self) -> Result<(), Error> {
        if self.journal.refused().is_some() || self.metrics != Metrics::Whole {
            self.journal.catch_up()?;
            self.tell();
            self.follow();
        }
        Ok(())
    }

    /// Writes all that is not on disk yet.
    ///
    /// # Errors
    /// If something cannot be written.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.journal.settle()?;
        self.tell();
        if std::mem::take(&mut self.events_behind) {
            self.events.write(&self.history);
        }
        if self.metrics == Metrics::Whole { Ok(()) } else { summary::write_metrics(&self.run_dir, &self.history) }
    }

    fn write_metrics(&mut self) {
        match summary::write_metrics(&self.run_dir, &self.history) {
            Ok(()) => self.metrics = Metrics::Whole,
            Err(error) => self.metrics_refused(&error),
        }
    }

    fn metrics_refused(&mut self, error: &Error) {
        if std::mem::replace(&mut self.metrics, Metrics::Refused) != Metrics::Refused {
            tracing::warn!("{error}; the epochs will be in it as soon as it can be written");
        }
    }

    fn tell(&mut self) {
        match self.journal.refused() {
            Some(why) if !self.told => {
                tracing::warn!(
                    "the journal in {} cannot be written: {why}. Training goes on; what happens is kept in memory and \
                     written as soon as it can be, and a coordinator that dies before loses it",
                    self.run_dir.display()
                );
                self.told = true;
            }
            None if self.told => {
                tracing::info!("the journal can be written again, and has all that happened");
                self.told = false;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plan::Confusion;
    use schedule::ScheduleState;
    use std::{fs, path::Path};

    fn epoch(epoch: u32) -> EpochRecord {
        EpochRecord {
            epoch,
            train_loss: 2.0,
            train_accuracy: 0.1,
            train_images: 512,
            test_loss: 2.0,
            test_accuracy: 0.25,
            confusion: Confusion::new(2),
            lr: 0.1,
            seconds: 3.0,
            train_seconds: 1.0,
            images_per_second: 512.0,
            note: None,
            schedule: ScheduleState::new(0.1),
        }
    }

    fn entry(number: u32) -> Entry {
        Entry::Epoch(Box::new(epoch(number)))
    }

    fn records(run_dir: &Path, history: Vec<EpochRecord>) -> Records {
        let journal = Journal::open(run_dir).unwrap();
        Records::new(journal, watch::Sender::new(Chronicle::default()), run_dir.to_owned(), history)
    }

    /// Lines of metrics.jsonl, and records for TensorBoard without the two that every file begins with.
    fn told(run_dir: &Path) -> (usize, usize) {
        let lines = fs::read_to_string(run_dir.join(summary::METRICS)).unwrap_or_default().lines().count();
        let files = fs::read_dir(run_dir.join("tensorboard")).into_iter().flatten();
        let events =
            files.map(|file| tensorboard::records(&fs::read(file.unwrap().path()).unwrap()).unwrap().len() - 2);
        (lines, events.sum())
    }

    #[test]
    fn nothing_tells_of_an_epoch_that_the_journal_does_not_have() {
        let directory = tempfile::tempdir().unwrap();
        let mut records = records(directory.path(), Vec::new());
        assert_eq!(told(directory.path()), (0, 0));
        records.keep_all(vec![entry(0)]).unwrap();
        assert_eq!(told(directory.path()), (1, 1));
        records.journal.be_full(true);
        records.keep_all(vec![Entry::Event("what happened ".repeat(1000)), entry(1)]).unwrap();
        assert!(records.journal.refused().is_some());
        assert_eq!(told(directory.path()), (1, 1), "a coordinator that dies now has lost the epoch");
        records.journal.be_full(false);
        records.catch_up().unwrap();
        assert_eq!(told(directory.path()), (2, 2));
        records.keep_all(vec![entry(2), entry(3)]).unwrap();
        assert_eq!(told(directory.path()), (4, 4));
        records.keep_all(vec![Entry::Rewind { epoch: 1 }]).unwrap();
        assert_eq!(told(directory.path()), (1, 1));
    }

    #[test]
    fn what_a_kill_left_is_as_the_journal_when_the_next_coordinator_begins() {
        for kept in [1, 0] {
            let directory = tempfile::tempdir().unwrap();
            let mut before = records(directory.path(), Vec::new());
            before.keep_all(vec![entry(0), entry(1)]).unwrap();
            drop(before);
            // The journal has rewound, and the coordinator was killed before anything else was.
            let _records = records(directory.path(), (0..kept).map(epoch).collect());
            assert_eq!(told(directory.path()), (kept as usize, kept as usize));
        }
    }
}
