//! What is known of a run, in a SQLite file that survives a crash at any moment.

use crate::Error;
use plan::RunConfig;
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use steering::EpochRecord;

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
    CREATE TABLE IF NOT EXISTS events (at REAL NOT NULL, text TEXT NOT NULL) STRICT;
";

/// The journal of a run.
#[derive(Debug)]
pub struct Journal {
    connection: Connection,
    path: PathBuf,
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
        Ok(Self { connection, path })
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

    fn set(&self, key: &str, value: &str) -> Result<(), Error> {
        self.connection
            .execute("INSERT OR REPLACE INTO run (key, value) VALUES (?1, ?2)", [key, value])
            .map(|_| ())
            .map_err(self.failed("write"))
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

    /// Records that the run begins.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn begin(&self, id: &str, config: &RunConfig) -> Result<(), Error> {
        let json = serde_json::to_string(config).map_err(|error| self.corrupt("the configuration", &error))?;
        self.set("config", &json)?;
        self.set("id", id)
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

    /// Records a generation.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn generation(&self, generation: u64, members: &[String], reason: &str) -> Result<(), Error> {
        let values = params![generation as i64, members.join(","), reason, now()];
        self.connection
            .execute("INSERT INTO generations VALUES (?1, ?2, ?3, ?4)", values)
            .map(|_| ())
            .map_err(self.failed("write"))
    }

    /// The epochs that are done, in their order.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn epochs(&self) -> Result<Vec<EpochRecord>, Error> {
        let mut query =
            self.connection.prepare("SELECT record FROM epochs ORDER BY epoch").map_err(self.failed("read"))?;
        let rows = query.query_map([], |row| row.get::<_, String>(0)).map_err(self.failed("read"))?;
        let mut records = Vec::new();
        for row in rows {
            let json = row.map_err(self.failed("read"))?;
            records.push(serde_json::from_str(&json).map_err(|error| self.corrupt("an epoch", &error))?);
        }
        Ok(records)
    }

    /// Records an epoch.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn epoch(&self, record: &EpochRecord) -> Result<(), Error> {
        let json = serde_json::to_string(record).map_err(|error| self.corrupt("an epoch", &error))?;
        self.connection
            .execute("INSERT OR REPLACE INTO epochs VALUES (?1, ?2)", params![record.epoch, json])
            .map(|_| ())
            .map_err(self.failed("write"))
    }

    /// Forgets the epochs from `epoch` on: they are done again.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn rewind(&self, epoch: u32) -> Result<(), Error> {
        self.connection
            .execute("DELETE FROM epochs WHERE epoch >= ?1", [epoch])
            .map(|_| ())
            .map_err(self.failed("write"))
    }

    /// Records a checkpoint.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn checkpoint(&self, name: &str, steps_done: u64) -> Result<(), Error> {
        let values = params![name, steps_done as i64, now()];
        self.connection
            .execute("INSERT OR REPLACE INTO checkpoints VALUES (?1, ?2, ?3)", values)
            .map(|_| ())
            .map_err(self.failed("write"))
    }

    /// Records what happened, in words.
    ///
    /// # Errors
    /// If the journal cannot be written.
    pub fn event(&self, text: &str) -> Result<(), Error> {
        self.connection
            .execute("INSERT INTO events VALUES (?1, ?2)", params![now(), text])
            .map(|_| ())
            .map_err(self.failed("write"))
    }
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
        let first = Journal::open(directory.path()).unwrap();
        first.generation(3, &["a".to_owned(), "b".to_owned()], "why").unwrap();
        assert!(matches!(Journal::open(directory.path()), Err(Error::Busy { .. })));
        drop(first);
        assert_eq!(Journal::open(directory.path()).unwrap().last_generation().unwrap(), 3);
    }
}
