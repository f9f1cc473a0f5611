//! What a coordinator that was killed left in the run directory, and what no longer belongs there.

use super::import;
use crate::{Error, journal::Journal, summary};
use checkpoint::Store;
use plan::RunConfig;
use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
};

/// Files that are written aside and renamed.
const REPLACED: [&str; 3] = ["config.json", "metrics.jsonl", "summary.json"];

/// Finishes or undoes what was under way. Only for who holds the journal, and so has the run to itself.
pub(super) fn tidy(run_dir: &Path, journal: &mut Journal, store: &Store) -> Result<(), Error> {
    let pending = journal.last_import()?.and_then(|(import, done)| (!done).then_some(import));
    for error in store.tidy(pending.as_ref().map(|import| import.name.as_str()))? {
        tracing::warn!("{error}; it is left over, and takes nothing but room");
    }
    for file in REPLACED {
        let aside = run_dir.join(format!("{file}.new"));
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(
                    "cannot remove {}: {error}; it is left over, and takes nothing but room",
                    aside.display()
                );
            }
            _ => {}
        }
    }
    if let Some(import) = pending {
        if import::finish(journal, store)?.is_some() {
            tracing::info!("checkpoint {} is taken in now; the coordinator before was killed", import.path);
        } else {
            tracing::warn!("checkpoint {} was to be taken in, and what was of it is gone", import.path);
        }
    }
    Ok(())
}

/// Gives what is under `path`, and is neither understood nor thrown away, another name.
fn keep_aside(path: &Path) -> Result<PathBuf, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut number = 1;
    let kept = loop {
        let kept = match number {
            1 => path.with_file_name(format!("kept-{name}")),
            _ => path.with_file_name(format!("kept-{number}-{name}")),
        };
        if fs::symlink_metadata(&kept).is_err() {
            break kept;
        }
        number += 1;
    };
    let failed =
        |error: io::Error| Error::RunDir { operation: "rename", path: path.to_owned(), why: error.to_string() };
    fs::rename(path, &kept).map_err(failed)?;
    Ok(kept)
}

/// Sees to it that `config.json` says what the journal says.
pub(super) fn mend_config(run_dir: &Path, config: &RunConfig) -> Result<(), Error> {
    let path = run_dir.join("config.json");
    let found: Result<RunConfig, String> = match fs::read(&path) {
        Ok(json) => serde_json::from_slice(&json).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return summary::write_config(run_dir, config),
        Err(error) => Err(error.to_string()),
    };
    match found {
        Ok(found) if found == *config => Ok(()),
        Ok(_) => summary::write_config(run_dir, config),
        Err(why) => {
            let kept = keep_aside(&path)?;
            tracing::warn!(
                "{} cannot be understood ({why}): it is kept as {}, and written anew",
                path.display(),
                kept.display()
            );
            summary::write_config(run_dir, config)
        }
    }
}

/// Whether `metrics.jsonl` tells of epochs.
pub(super) fn has_metrics(run_dir: &Path) -> bool {
    fs::metadata(run_dir.join("metrics.jsonl")).as_ref().map(Metadata::len).is_ok_and(|bytes| bytes > 0)
}

/// Takes out of `metrics.jsonl` what the journal does not know. `void` says that nobody will want it back.
pub(super) fn empty_metrics(run_dir: &Path, void: bool) -> Result<(), Error> {
    if !has_metrics(run_dir) {
        return Ok(());
    }
    if void {
        return summary::write_metrics(run_dir, &[]);
    }
    let path = run_dir.join("metrics.jsonl");
    let kept = keep_aside(&path)?;
    tracing::warn!("what {} told is kept as {}", path.display(), kept.display());
    Ok(())
}
