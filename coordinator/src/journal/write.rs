//! Writing entries, all of them or none.

use super::{Entry, VOID};
use rusqlite::{Connection, ErrorCode, params};

/// Why a journal takes no entries.
pub(super) enum Refused {
    /// The disk does not; it may later.
    ForNow(rusqlite::Error),
    /// The file is damaged.
    ForEver(rusqlite::Error),
    /// An entry has no form in JSON.
    Unspeakable(serde_json::Error),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        use ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
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
pub(super) fn write(connection: &mut Connection, entries: &[(f64, Entry)]) -> Result<(), Refused> {
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
            Entry::Void { generation } => {
                let values = [VOID, &generation.to_string()];
                transaction.execute("INSERT OR REPLACE INTO run (key, value) VALUES (?1, ?2)", values)?;
            }
            Entry::Checkpoint { name, steps_done } => {
                let values = params![name, *steps_done as i64, at];
                transaction.execute("INSERT OR REPLACE INTO checkpoints VALUES (?1, ?2, ?3)", values)?;
            }
            Entry::Import(import) => {
                let values = params![serde_json::to_string(import)?, at];
                transaction.execute("INSERT INTO imports VALUES (?1, ?2, 0)", values)?;
            }
            Entry::ImportDone => {
                transaction.execute("UPDATE imports SET done = 1", [])?;
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
