//! What is known of a run, in a SQLite file that survives a crash at any moment.

use crate::Error;
use plan::RunConfig;
use rusqlite::{Connection, OptionalExtension, params};
use serde::de::DeserializeOwned;
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use steering::{EpochRecord, Recovery};

const FILE: &str = "journal.sqlite";
/// Two coordinators at work on one run would contradict each other, so the first one keeps the file locked.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS generations (
        generation INTEGER PRIMARY KEY, members TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS checkpoints (name TEXT PRIMARY KEY, steps_done INTEGER NOT NULL, at REAL NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS recoveries (record TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS events (at REAL NOT NULL, text TEXT NOT NULL) STRICT;
";

/// What is recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// The run begins.
    Run {
        /// Its id.
        id: String,
        /// What decides its weights.
        config: Box<RunConfig>,
    },
    /// A generation begins.
    Generation {
        /// Which.
        generation: u64,
        /// The names of its members, by rank.
        members: Vec<String>,
        /// In words.
        reason: String,
    },
    /// An epoch is done.
    Epoch(Box<EpochRecord>),
    /// Epochs from this one on are done again.
    Rewind {
        /// The first.
        epoch: u32,
    },
    /// A checkpoint is on disk.
    Checkpoint {
        /// Its name.
        name: String,
        /// Steps since the run began.
        steps_done: u64,
    },
    /// A failure was survived.
    Recovery(Recovery),
    /// Something happened, in words.
    Event(String),
}

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
    /// If another coordinator has it open, or it cannot be read or written.
    pub fn open(run_dir: &Path) -> Result<Self, Error> {
        let path = run_dir.join(FILE);
        let failed = |operation| {
            let path = path.clone();
            move |error: rusqlite::Error| {
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) {
                    let run_dir = path.parent().unwrap_or(&path).to_owned();
                    return Error::Busy { run_dir };
                }
                Error::RunDir { operation, path, why: error.to_string() }
            }
        };
        let connection = Connection::open(&path).map_err(failed("open"))?;
        connection.busy_timeout(LOCK_PATIENCE).map_err(failed("open"))?;
        for (pragma, value) in [("locking_mode", "EXCLUSIVE"), ("journal_mode", "WAL"), ("synchronous", "FULL")] {
            connection.pragma_update(None, pragma, value).map_err(failed("open"))?;
        }
        connection.execute_batch(&format!("BEGIN EXCLUSIVE;{SCHEMA}COMMIT;")).map_err(failed("open"))?;
        Ok(Self { connection, path, backlog: Vec::new(), refused: None })
    }

    fn failed(&self, operation: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
        let path = self.path.clone();
        move |error| Error::RunDir { operation, path, why: error.to_string() }
    }

    fn corrupt(&self, what: &str, error: &impl ToString) -> Error {
        let why = format!("{what}: {}", error.to_string());
        Error::RunDir { operation: "understand", path: self.path.clone(), why }
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
        let (Some(id), Some(config)) = (self.get("id")?, self.get("config")?) else { return Ok(None) };
        let config = serde_json::from_str(&config).map_err(|error| self.corrupt("the configuration", &error))?;
        Ok(Some((id, config)))
    }

    /// Records what happened. On a disk that is full or read-only that is done as soon as it can be:
    /// [`Self::catch_up`].
    ///
    /// # Errors
    /// If the journal is damaged.
    pub fn record(&mut self, entry: Entry) -> Result<(), Error> {
        self.backlog.push((now(), entry));
        self.catch_up()
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
            Err(Refused::Unspeakable(error)) => Err(self.corrupt("an entry", &error)),
        }
    }

    /// Why the disk does not take what is recorded, while it does not.
    #[must_use]
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
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
            let json = row.map_err(self.failed("read"))?;
            records.push(serde_json::from_str(&json).map_err(|error| self.corrupt(what, &error))?);
        }
        Ok(records)
    }
}

/// Why a journal takes no entries.
enum Refused {
    /// The disk does not; it may later.
    ForNow(rusqlite::Error),
    /// The file is damaged.
    ForEver(rusqlite::Error),
    /// An entry has no form in JSON.
    Unspeakable(serde_json::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
        match error.sqlite_error_code() {
            Some(DiskFull | ReadOnly | SystemIoFailure | CannotOpen) => Self::ForNow(error),
            _ => Self::ForEver(error),
        }
    }
}

impl From<serde_json::Error> for Refused {
    fn from(error: serde_json::Error) -> Self {
        Self::Unspeakable(error)
    }
}

/// Writes all of `entries`, or none.
fn write(connection: &mut Connection, entries: &[(f64, Entry)]) -> Result<(), Refused> {
    let transaction = connection.transaction()?;
    for (at, entry) in entries {
        match entry {
            Entry::Run { id, config } => {
                let config = serde_json::to_string(config)?;
                for (key, value) in [("id", id), ("config", &config)] {
                    transaction.execute("INSERT OR REPLACE INTO run (key, value) VALUES (?1, ?2)", [key, value])?;
                }
            }
            Entry::Generation { generation, members, reason } => {
                let values = params![*generation as i64, members.join(","), reason, at];
                transaction.execute("INSERT INTO generations VALUES (?1, ?2, ?3, ?4)", values)?;
            }
            Entry::Epoch(record) => {
                let values = params![record.epoch, serde_json::to_string(record)?];
                transaction.execute("INSERT OR REPLACE INTO epochs VALUES (?1, ?2)", values)?;
            }
            Entry::Rewind { epoch } => {
                transaction.execute("DELETE FROM epochs WHERE epoch >= ?1", [epoch])?;
            }
            Entry::Checkpoint { name, steps_done } => {
                let values = params![name, *steps_done as i64, at];
                transaction.execute("INSERT OR REPLACE INTO checkpoints VALUES (?1, ?2, ?3)", values)?;
            }
            Entry::Recovery(recovery) => {
                let record = serde_json::to_string(recovery)?;
                transaction.execute("INSERT INTO recoveries VALUES (?1)", [record])?;
            }
            Entry::Event(text) => {
                transaction.execute("INSERT INTO events VALUES (?1, ?2)", params![at, text])?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_coordinator_is_kept_out() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = Journal::open(directory.path()).unwrap();
        let members = vec!["a".to_owned(), "b".to_owned()];
        first.record(Entry::Generation { generation: 3, members, reason: "why".to_owned() }).unwrap();
        assert!(matches!(Journal::open(directory.path()), Err(Error::Busy { .. })));
        drop(first);
        assert_eq!(Journal::open(directory.path()).unwrap().last_generation().unwrap(), 3);
    }
    #[test]
    fn what_a_full_disk_does_not_take_is_written_later() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path()).unwrap();
        let limit = |journal: &Journal, pages: i64| {
            journal.connection.pragma_update(None, "max_page_count", pages).unwrap();
        };
        let pages: i64 = journal.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        limit(&journal, pages);
        let long = "what happened ".repeat(1000);
        journal.record(Entry::Event(long.clone())).unwrap();
        assert!(journal.refused().unwrap().contains("full"), "{:?}", journal.refused());
        assert!(matches!(journal.settle(), Err(Error::RunDir { .. })));
        let generation =
            |generation| Entry::Generation { generation, members: vec!["a".to_owned()], reason: String::new() };
        journal.record(generation(1)).unwrap();
        journal.record(generation(2)).unwrap();
        assert_eq!(journal.last_generation().unwrap(), 0, "in their order, and none without those before");
        limit(&journal, 1000);
        journal.settle().unwrap();
        assert_eq!((journal.refused(), journal.last_generation().unwrap()), (None, 2));
        let events: Vec<String> = journal
            .connection
            .prepare("SELECT text FROM events")
            .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
            .unwrap();
        assert_eq!(events, [long]);
    }
}
