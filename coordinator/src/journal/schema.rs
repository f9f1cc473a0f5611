//! The tables of a journal, and whether a file holds them.

use crate::error::Error;
use nix::unistd::{AccessFlags, access};
use rusqlite::{Connection, ErrorCode};
use std::{path::Path, time::Duration};

/// The version of the tables. Above 1: with imports. Versions that knew none left it at 0.
const VERSION: i64 = 2;

/// Two coordinators at work on one run would contradict each other, so the first one keeps the file locked.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS generations (
        generation INTEGER PRIMARY KEY, members TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS checkpoints (name TEXT PRIMARY KEY, steps_done INTEGER NOT NULL, at REAL NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS imports (record TEXT NOT NULL, at REAL NOT NULL, done INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS recoveries (record TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS events (at REAL NOT NULL, text TEXT NOT NULL) STRICT;
";

/// Opens the journal at `path`, or begins one. Nothing of a file is changed before it is known to be one.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    let failed = |error| failed("open", path, &error);
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(LOCK_PATIENCE).map_err(failed)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(failed)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if version > VERSION {
        let why = format!("its tables are of version {version}, and this version knows {VERSION}");
        return Err(newer(path, &why));
    }
    let check: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0)).map_err(failed)?;
    if check != "ok" {
        return Err(damaged(path, &check));
    }
    for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "FULL")] {
        connection.pragma_update(None, pragma, value).map_err(failed)?;
    }
    let begin = format!("BEGIN EXCLUSIVE;{TABLES}PRAGMA user_version = {VERSION};COMMIT;");
    connection.execute_batch(&begin).map_err(failed)?;
    Ok(connection)
}

/// Why SQLite failed, in words that say what to do.
pub(super) fn failed(operation: &'static str, path: &Path, error: &rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => Error::Busy { run_dir: path.parent().unwrap_or(path).to_owned() },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(path, error),
        _ => Error::RunDir { operation, path: path.to_owned(), why: why_not_written(path, error) },
    }
}

/// SQLite's own words for a place that cannot be written help nobody.
fn why_not_written(path: &Path, error: &rusqlite::Error) -> String {
    let closed = |place: &Path| access(place, AccessFlags::W_OK).err().map(|why| (place.display().to_string(), why));
    let place = closed(path.parent().unwrap_or(path)).or_else(|| closed(path).filter(|_| path.exists()));
    place.map_or_else(
        || error.to_string(),
        |(place, why)| {
            format!(
                "{place} cannot be written ({}), and the journal is kept there, of a run that is over as well; give --run-dir \
                 a copy that can be",
                why.desc()
            )
        },
    )
}

/// A record in JSON that cannot be understood.
pub(super) fn unclear(path: &Path, what: &str, error: &serde_json::Error) -> Error {
    let why = format!("{what}: {error}");
    // serde has no other way to tell what is not known from what is wrong.
    if error.to_string().starts_with("unknown ") { newer(path, &why) } else { damaged(path, &why) }
}

pub(super) fn damaged(path: &Path, why: &impl ToString) -> Error {
    let why = format!(
        "it is damaged ({}). Restore it from a copy; or begin from one of the run's checkpoints in another directory, \
         with --resume PATH and another --run-dir",
        why.to_string()
    );
    Error::RunDir { operation: "understand", path: path.to_owned(), why }
}

fn newer(path: &Path, why: &str) -> Error {
    let why = format!("it is of a newer version of coxswain ({why}): use that version, or give another --run-dir");
    Error::RunDir { operation: "understand", path: path.to_owned(), why }
}
