//! From a journal in SQLite.

use crate::{Chronicle, Error, Fact};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use serde::de::DeserializeOwned;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// The journal's file in a run directory.
pub const FILE: &str = "journal.sqlite";

/// How long another reader is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reads the chronicle of the run in `run_dir`. Nothing in the directory changes.
///
/// # Errors
/// If there is no run, a coordinator is at work on it, or its journal cannot be read.
pub fn read(run_dir: &Path) -> Result<Chronicle, Error> {
    let path = run_dir.join(FILE);
    if !path.is_file() {
        return Err(Error::NoRun { run_dir: run_dir.to_owned() });
    }
    let failed = |error: &rusqlite::Error| failed(run_dir, error);
    let connection = open(&path).map_err(|error| failed(&error))?;
    read_from(&connection).map_err(|error| match error {
        Trouble::Sqlite(error) => failed(&error),
        Trouble::Json(why) => Error::Unreadable { path, why },
    })
}

/// A journal that is only read. One whose coordinator has ended has no log beside it, and may be on a disk that takes nothing.
fn open(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let log = PathBuf::from(format!("{}-wal", path.display()));
    let connection = if log.exists() {
        Connection::open_with_flags(path, flags)?
    } else {
        Connection::open_with_flags(uri(path), flags)?
    };
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// As SQLite takes a file that nobody writes.
fn uri(path: &Path) -> String {
    let kept = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(byte);
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    let path: String =
        bytes.map(|byte| if kept(byte) { char::from(*byte).to_string() } else { format!("%{byte:02x}") }).collect();
    format!("file:{path}?immutable=1")
}

fn failed(run_dir: &Path, error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Live { run_dir: run_dir.to_owned() },
        _ => Error::Unreadable { path: run_dir.join(FILE), why: error.to_string() },
    }
}

/// Why an open journal cannot be read.
#[derive(Debug)]
pub enum Trouble {
    /// SQLite cannot.
    Sqlite(rusqlite::Error),
    /// A record is none.
    Json(String),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Reads the chronicle from a journal that is open.
///
/// # Errors
/// If it cannot be read.
pub fn read_from(connection: &Connection) -> Result<Chronicle, Trouble> {
    let mut chronicle = Chronicle::default();
    let id = value(connection, "id")?;
    let config = value(connection, "config")?;
    if let (Some(id), Some(config)) = (id, config) {
        chronicle.add(0.0, Fact::Run { id, config: understand("the configuration", &config)? });
    }
    let facts = [
        facts(connection, "SELECT record FROM epochs ORDER BY epoch", |row| {
            Ok((0.0, Fact::Epoch(understand("an epoch", &row.get::<_, String>(0)?)?)))
        })?,
        facts(connection, "SELECT at, generation, members, reason FROM generations ORDER BY generation", |row| {
            let members = row.get::<_, String>(2)?.split(',').map(str::to_owned).collect();
            let generation = row.get::<_, i64>(1)? as u64;
            Ok((row.get(0)?, Fact::Generation { generation, members, reason: row.get(3)? }))
        })?,
        facts(connection, "SELECT at, name, steps_done FROM checkpoints ORDER BY at, steps_done", |row| {
            let steps_done = row.get::<_, i64>(2)? as u64;
            Ok((row.get(0)?, Fact::Checkpoint { name: row.get(1)?, steps_done }))
        })?,
        facts(connection, "SELECT record FROM recoveries ORDER BY rowid", |row| {
            Ok((0.0, Fact::Recovery(understand("a recovery", &row.get::<_, String>(0)?)?)))
        })?,
        facts(connection, "SELECT at, text FROM events ORDER BY rowid", |row| {
            Ok((row.get(0)?, Fact::Event(row.get(1)?)))
        })?,
    ];
    for (at, fact) in facts.into_iter().flatten() {
        chronicle.add(at, fact);
    }
    Ok(chronicle)
}

fn value(connection: &Connection, key: &str) -> Result<Option<String>, Trouble> {
    let mut query = connection.prepare("SELECT value FROM run WHERE key = ?1")?;
    let mut rows = query.query([key])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

fn facts(
    connection: &Connection,
    query: &str,
    of: impl Fn(&Row<'_>) -> Result<(f64, Fact), Trouble>,
) -> Result<Vec<(f64, Fact)>, Trouble> {
    let mut query = connection.prepare(query)?;
    let mut rows = query.query([])?;
    let mut facts = Vec::new();
    while let Some(row) = rows.next()? {
        facts.push(of(row)?);
    }
    Ok(facts)
}

fn understand<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, Trouble> {
    serde_json::from_str(json).map_err(|error| Trouble::Json(format!("{what}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_run_is_told_so() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read(directory.path()), Err(Error::NoRun { .. })));
        std::fs::write(directory.path().join(FILE), "no journal at all, though long enough to be looked at").unwrap();
        let error = read(directory.path()).unwrap_err().to_string();
        assert!(error.contains("not a database"), "{error}");
    }
}
