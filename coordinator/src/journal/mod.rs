//! What is known of a run, in a SQLite file that survives a crash at any moment.

mod entry;
mod schema;
mod write;

pub use entry::{Content, Entry, Import};

use crate::error::Error;
use chronicle::{Chronicle, FILE, Trouble};
use config::{AnyVersion, RunConfig};
use rusqlite::{Connection, OptionalExtension};
use serde::de::DeserializeOwned;
use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};
use steering::{EpochRecord, Recovery};
use write::{Refused, write};

/// The key of the last generation whose states are void.
const VOID: &str = "void";

/// Entries that wait for a disk before words for people are left out.
const BACKLOG: usize = 4096;

/// The journal of a run.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    path: PathBuf,
    /// What could not be written yet, with the time at which it happened. Empty but on a disk that is full or read-only.
    backlog: Vec<(f64, Entry)>,
    /// Why.
    refused: Option<String>,
}

impl Journal {
    /// Opens the journal in `run_dir`, or begins one.
    ///
    /// # Errors
    /// If another coordinator has it open, it cannot be read or written, or is of a newer version.
    pub fn open(run_dir: &Path) -> Result<Self, Error> {
        let path = run_dir.join(FILE);
        let connection = schema::open(&path)?;
        Ok(Self { connection, path, backlog: Vec::new(), refused: None })
    }

    fn failed(&self, operation: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
        move |error| schema::failed(operation, &self.path, &error)
    }

    fn get(&self, key: &str) -> Result<Option<String>, Error> {
        self.connection
            .query_row("SELECT value FROM run WHERE key = ?1", [key], |row| row.get(0))
            .optional()
            .map_err(self.failed("read"))
    }

    /// Id and configuration of the run, once it has begun.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn run(&self) -> Result<Option<(String, RunConfig)>, Error> {
        match (self.get("id")?, self.get("config")?) {
            (Some(id), Some(config)) => {
                let AnyVersion(config) = self.understand("the configuration", &config)?;
                Ok(Some((id, config)))
            }
            (None, None) => Ok(None),
            _ => Err(schema::damaged(&self.path, &"it has an id or a configuration, but not both")),
        }
    }

    /// Records what happened at `at`, in seconds since 1970. On a disk that is full or read-only that is done as soon as it can be:
    /// [`Self::catch_up`].
    ///
    /// # Errors
    /// If the journal is damaged.
    pub fn record(&mut self, at: f64, entries: impl IntoIterator<Item = Entry>) -> Result<(), Error> {
        // While a disk takes nothing, words for people are dropped once too much waits. All other entries are kept.
        let words = |entry: &Entry| matches!(entry, Entry::Event(_));
        let full = self.backlog.len() >= BACKLOG;
        self.backlog.extend(entries.into_iter().filter(|entry| !full || !words(entry)).map(|entry| (at, entry)));
        self.catch_up()
    }

    /// Records what happened at once: all of `entries` are on disk, or none.
    ///
    /// # Errors
    /// If they are not.
    pub fn commit(&mut self, entries: impl IntoIterator<Item = Entry>) -> Result<(), Error> {
        self.settle()?;
        let now = now();
        self.backlog.extend(entries.into_iter().map(|entry| (now, entry)));
        self.settle()
    }

    /// Tries to write what could not be written yet, all of it or nothing.
    ///
    /// # Errors
    /// If the journal is damaged.
    pub fn catch_up(&mut self) -> Result<(), Error> {
        if self.backlog.is_empty() {
            return Ok(());
        }
        match write(&mut self.connection, &self.backlog) {
            Ok(()) => {
                self.backlog.clear();
                self.refused = None;
                Ok(())
            }
            Err(Refused::ForNow(error)) => {
                self.refused = Some(error.to_string());
                Ok(())
            }
            Err(Refused::ForEver(error)) => Err(self.failed("write")(error)),
            Err(Refused::Unspeakable(error)) => Err(Error::RunDir {
                operation: "write",
                path: self.path.clone(),
                why: format!("an entry has no form in JSON: {error}"),
            }),
        }
    }

    /// Why the disk does not take what is recorded, while it does not.
    #[must_use]
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Has it take no more, or again, as on a full disk.
    #[cfg(test)]
    pub(crate) fn be_full(&self, full: bool) {
        let pages: i64 = self.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap_or(1);
        let most = if full { pages } else { 1 << 20 };
        drop(self.connection.pragma_update(None, "max_page_count", most));
    }

    /// That everything is written.
    ///
    /// # Errors
    /// If it is not, and cannot be.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.catch_up()?;
        match self.refused.clone() {
            Some(why) => Err(Error::RunDir { operation: "write", path: self.path.clone(), why }),
            None => Ok(()),
        }
    }

    /// What the run has been through, for those who look at it.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn chronicle(&self) -> Result<Chronicle, Error> {
        chronicle::read_from(&self.connection).map_err(|trouble| match trouble {
            Trouble::Sqlite(error) => schema::failed("read", &self.path, &error),
            Trouble::Json(why) => schema::damaged(&self.path, &why),
        })
    }

    /// The last generation; 0 before the first.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn last_generation(&self) -> Result<u64, Error> {
        self.connection
            .query_row("SELECT COALESCE(MAX(generation), 0) FROM generations", [], |row| row.get::<_, i64>(0))
            .map(|generation| generation as u64)
            .map_err(self.failed("read"))
    }

    /// How many members the last generation had; 0 before the first.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn last_members(&self) -> Result<usize, Error> {
        let members: Option<String> = self
            .connection
            .query_row("SELECT members FROM generations ORDER BY generation DESC LIMIT 1", [], |row| row.get(0))
            .optional()
            .map_err(self.failed("read"))?;
        Ok(members.map_or(0, |members| members.split(',').count()))
    }

    /// The checkpoint that was recorded last, whether it is there still or not.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn last_checkpoint(&self) -> Result<Option<String>, Error> {
        self.connection
            .query_row("SELECT name FROM checkpoints ORDER BY at DESC, steps_done DESC LIMIT 1", [], |row| row.get(0))
            .optional()
            .map_err(self.failed("read"))
    }

    /// The last import, and whether it is done.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn last_import(&self) -> Result<Option<(Import, bool)>, Error> {
        let row: Option<(String, bool)> = self
            .connection
            .query_row("SELECT record, done FROM imports ORDER BY rowid DESC LIMIT 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
            .map_err(self.failed("read"))?;
        row.map(|(record, done)| Ok((self.understand("an import", &record)?, done))).transpose()
    }

    /// The last generation whose states are void; 0: none.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn void(&self) -> Result<u64, Error> {
        let damaged = |error| schema::damaged(&self.path, &format!("the void generation: {error}"));
        self.get(VOID)?.map_or(Ok(0), |text| text.parse().map_err(damaged))
    }

    /// The epochs that are done, in their order.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn epochs(&self) -> Result<Vec<EpochRecord>, Error> {
        self.records("an epoch", "SELECT record FROM epochs ORDER BY epoch")
    }

    /// The failures that were survived, in their order.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn recoveries(&self) -> Result<Vec<Recovery>, Error> {
        self.records("a recovery", "SELECT record FROM recoveries ORDER BY rowid")
    }

    fn records<T: DeserializeOwned>(&self, what: &str, query: &str) -> Result<Vec<T>, Error> {
        let mut query = self.connection.prepare(query).map_err(self.failed("read"))?;
        let rows = query.query_map([], |row| row.get::<_, String>(0)).map_err(self.failed("read"))?;
        let mut records = Vec::new();
        for row in rows {
            records.push(self.understand(what, &row.map_err(self.failed("read"))?)?);
        }
        Ok(records)
    }

    fn understand<T: DeserializeOwned>(&self, what: &str, json: &str) -> Result<T, Error> {
        serde_json::from_str(json).map_err(|error| schema::unclear(&self.path, what, &error))
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests;
