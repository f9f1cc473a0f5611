//! What a coordinator that was killed left in the run directory, and what no longer belongs there.

use super::import;
use crate::{
    error::Error,
    journal::Journal,
    summary::{self, METRICS},
};
use checkpoint::Store;
use config::{AnyVersion, RunConfig};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Files that are written aside and renamed.
const REPLACED: [&str; 3] = [CONFIG, METRICS, "summary.json"];
const CONFIG: &str = "config.json";

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

/// Gives the file `name` of the run directory, which is neither understood nor thrown away, another name.
fn keep_aside(run_dir: &Path, name: &str) -> Result<PathBuf, Error> {
    let (mut kept, mut number) = (run_dir.join(format!("kept-{name}")), 1);
    while fs::symlink_metadata(&kept).is_ok() {
        number += 1;
        kept = run_dir.join(format!("kept-{number}-{name}"));
    }
    let path = run_dir.join(name);
    match fs::rename(&path, &kept) {
        Ok(()) => Ok(kept),
        Err(error) => Err(Error::RunDir { operation: "rename", path, why: error.to_string() }),
    }
}

/// Sees to it that `config.json` says what the journal says.
pub(super) fn mend_config(run_dir: &Path, config: &RunConfig) -> Result<(), Error> {
    let path = run_dir.join(CONFIG);
    let found: Result<RunConfig, String> = match fs::read(&path) {
        Ok(json) => serde_json::from_slice(&json).map(|AnyVersion(found)| found).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return summary::write_config(run_dir, config),
        Err(error) => Err(error.to_string()),
    };
    match found {
        Ok(found) if found == *config => Ok(()),
        Ok(_) => summary::write_config(run_dir, config),
        Err(why) => {
            let kept = keep_aside(run_dir, CONFIG)?;
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
pub(super) fn has_metrics(run_dir: &Path) -> Result<bool, Error> {
    let path = run_dir.join(METRICS);
    match fs::metadata(&path) {
        Ok(found) => Ok(found.len() > 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::RunDir { operation: "look at", path, why: error.to_string() }),
    }
}

/// Takes out of `metrics.jsonl` what the journal does not know. `void` says that nobody will want it back.
pub(super) fn empty_metrics(run_dir: &Path, void: bool) -> Result<(), Error> {
    if !has_metrics(run_dir)? {
        return Ok(());
    }
    if void {
        return summary::write_metrics(run_dir, &[]);
    }
    let kept = keep_aside(run_dir, METRICS)?;
    tracing::warn!("what {METRICS} in {} told is kept as {}", run_dir.display(), kept.display());
    Ok(())
}
