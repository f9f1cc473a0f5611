//! What a run writes down as it goes: its journal, and metrics.jsonl. A disk that is full or read-only for a while holds up
//! neither training nor these: what it did not take is written when it can be.

use crate::{
    Error,
    journal::{Entry, Journal},
    summary,
};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use steering::EpochRecord;

/// Between two attempts at what could not be written.
const RETRY: Duration = Duration::from_secs(1);

/// The run's records.
pub struct Records {
    journal: Journal,
    run_dir: PathBuf,
    /// Whether metrics.jsonl lacks something, or has the half of a line.
    metrics_behind: bool,
    /// Whether people know that the disk takes nothing.
    told: bool,
    tried: Instant,
}

impl Records {
    /// Those in `run_dir`, whose journal is `journal` and has the epochs of `history`. A coordinator that was killed may
    /// have left metrics.jsonl without the last of them.
    #[must_use]
    pub fn new(journal: Journal, run_dir: PathBuf, history: &[EpochRecord]) -> Self {
        let mut records = Self { journal, run_dir, metrics_behind: false, told: false, tried: Instant::now() };
        if !history.is_empty() {
            records.write_metrics(history);
        }
        records
    }

    /// Records what happened.
    ///
    /// # Errors
    /// If the journal is damaged.
    pub fn keep(&mut self, entry: Entry) -> Result<(), Error> {
        self.journal.record(entry)?;
        self.tell();
        Ok(())
    }

    /// Records an epoch, the last of `history`.
    ///
    /// # Errors
    /// If the journal is damaged.
    pub fn epoch(&mut self, record: &EpochRecord, history: &[EpochRecord]) -> Result<(), Error> {
        self.keep(Entry::Epoch(Box::new(record.clone())))?;
        if self.metrics_behind {
            self.write_metrics(history);
        } else if let Err(error) = summary::append_metrics(&self.run_dir, record) {
            self.metrics_refused(&error);
        }
        Ok(())
    }

    /// Records that the epochs from `epoch` on are done again; `history` is without them.
    ///
    /// # Errors
    /// If the journal is damaged.
    pub fn rewind(&mut self, epoch: u32, history: &[EpochRecord]) -> Result<(), Error> {
        self.keep(Entry::Rewind { epoch })?;
        self.write_metrics(history);
        Ok(())
    }

    /// Tries again what could not be written, from time to time.
    ///
    /// # Errors
    /// If the journal is damaged.
    pub fn catch_up(&mut self, history: &[EpochRecord]) -> Result<(), Error> {
        if (self.journal.refused().is_some() || self.metrics_behind) && self.tried.elapsed() > RETRY {
            self.tried = Instant::now();
            self.journal.catch_up()?;
            self.tell();
            if self.metrics_behind {
                self.write_metrics(history);
            }
        }
        Ok(())
    }

    /// That everything is written.
    ///
    /// # Errors
    /// If it is not, and cannot be.
    pub fn settle(&mut self, history: &[EpochRecord]) -> Result<(), Error> {
        self.journal.settle()?;
        self.tell();
        if self.metrics_behind { summary::write_metrics(&self.run_dir, history) } else { Ok(()) }
    }

    fn write_metrics(&mut self, history: &[EpochRecord]) {
        match summary::write_metrics(&self.run_dir, history) {
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
