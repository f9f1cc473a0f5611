//! What a run writes down as it goes: its journal and metrics.jsonl. Training goes on if the disk is full or read-only
//! for a while. What the disk did not take is written as soon as it can be.

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
    /// Whether metrics.jsonl lacks epochs, or ends in half a line.
    metrics_behind: bool,
    /// Whether people were told that the disk takes nothing.
    told: bool,
}

impl Records {
    /// The records in `run_dir`. The epochs in `journal` are `history`. The file metrics.jsonl is written anew, as a
    /// killed coordinator may have left it without the last of them.
    #[must_use]
    pub fn new(
        journal: Journal,
        chronicle: watch::Sender<Chronicle>,
        run_dir: PathBuf,
        history: Vec<EpochRecord>,
    ) -> Self {
        let events = EventFiles::new(&run_dir);
        let mut records = Self { journal, chronicle, run_dir, history, events, metrics_behind: false, told: false };
        if !records.history.is_empty() {
            records.write_metrics();
            records.events.write(&records.history);
        }
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
        if again {
            self.events.write(&self.history);
        } else if !done.is_empty() {
            self.events.add(&self.history);
        }
        if again || (self.metrics_behind && !done.is_empty()) {
            self.write_metrics();
            return Ok(());
        }
        for record in done {
            if let Err(error) = summary::append_metrics(&self.run_dir, &record) {
                self.metrics_refused(&error);
            }
        }
        Ok(())
    }

    /// Tries again to write what is not on disk yet.
    ///
    /// # Errors
    /// If the journal is damaged.
    pub fn catch_up(&mut self) -> Result<(), Error> {
        if self.journal.refused().is_some() || self.metrics_behind {
            self.journal.catch_up()?;
            self.tell();
            if self.metrics_behind {
                self.write_metrics();
            }
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
        if self.metrics_behind { summary::write_metrics(&self.run_dir, &self.history) } else { Ok(()) }
    }

    fn write_metrics(&mut self) {
        match summary::write_metrics(&self.run_dir, &self.history) {
            Ok(()) => self.metrics_behind = false,
            Err(error) => self.metrics_refused(&error),
        }
    }

    fn metrics_refused(&mut self, error: &Error) {
        if !self.metrics_behind {
            tracing::warn!("{error}; the epochs will be in it as soon as it can be written");
        }
        self.metrics_behind = true;
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
