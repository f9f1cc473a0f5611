//! `--resume PATH`: makes a checkpoint from elsewhere a checkpoint of the run, once.
//!
//! A coordinator can resume from the directory at any moment of this. First the whole checkpoint is written, under a
//! hidden name. Then one transaction of the journal records that the run resumes from it. Only then are the checkpoints
//! removed that it makes void, and it gets its name. A coordinator that finds an import recorded but not done finishes
//! it.

use super::{history::leads_to, resume::absolute};
use crate::{
    error::Error,
    journal::{Content, Entry, Import, Journal},
};
use checkpoint::{Found, Manifest, Saved, Store};
use config::RunConfig;
use state::State;
use std::path::{Path, PathBuf};

/// A checkpoint that is to be imported.
#[derive(Debug)]
pub(super) struct Origin {
    /// As it was given.
    pub path: PathBuf,
    /// Its manifest: run, configuration, position, checksums.
    pub manifest: Manifest,
    /// Position, totals and slots, as its files have them.
    pub state: State,
}

/// The checkpoint at `path`; `None` if it was taken in already, so that the run goes on from its own newest one.
pub(super) fn wanted(path: &Path, journal: &Journal) -> Result<Option<Origin>, Error> {
    let last = journal.last_import()?.and_then(|(import, done)| done.then_some(import));
    let given = absolute(path)?;
    let from_here = last.as_ref().is_some_and(|last| last.path == given);
    let own = "going on from the run's own newest checkpoint. To begin from that path, give another --run-dir";
    match checkpoint::read(path) {
        Ok((manifest, _)) if last.is_some_and(|last| last.content == Content::from(&manifest)) => {
            tracing::warn!("checkpoint {} was taken in already: {own}", path.display());
            Ok(None)
        }
        Ok(_) if from_here => {
            tracing::warn!("{} is another checkpoint than the one that was taken in from there: {own}", path.display());
            Ok(None)
        }
        Ok((manifest, state)) => Ok(Some(Origin { path: path.to_owned(), manifest, state })),
        Err(error) if from_here => {
            tracing::warn!("{error}; it was taken in before: {own}");
            Ok(None)
        }
        // A word that was mistyped, as well as a path.
        Err(checkpoint::Error::Io { operation: "find", path, source }) => {
            Err(Error::ResumeFromNothing { path, why: source.to_string() })
        }
        Err(error) => Err(error.into()),
    }
}

/// A run that has imported a checkpoint.
pub(super) struct TakenIn {
    /// The run's id. A checkpoint of another run makes it a new id, so states that workers hold of the run before are
    /// refused.
    pub run_id: String,
    /// The checkpoint: its name in the run, its manifest and its state.
    pub found: Found,
}

/// Imports `source` as a checkpoint of a run of `config`. The run in the directory is `run_id`, if there is one. The
/// run gets the id `fresh` unless the checkpoint is of that run.
pub(super) fn take_in(
    journal: &mut Journal,
    store: &Store,
    run_id: Option<String>,
    fresh: String,
    config: &RunConfig,
    source: Origin,
) -> Result<TakenIn, Error> {
    let import = stage(store, run_id, fresh, config, &source)?;
    record(journal, &import, config, &source)?;
    let manifest = finish(journal, store)?.ok_or_else(|| Error::RunDir {
        operation: "find",
        path: store.path(&import.import.name),
        why: "it was written just now, and is gone".to_owned(),
    })?;
    Ok(TakenIn { run_id: import.run_id, found: (import.import.name, manifest, source.state) })
}

/// An import whose checkpoint is whole on disk.
struct Staged {
    import: Import,
    run_id: String,
}

/// Puts the checkpoint on disk, under a hidden name. A checkpoint that has its place in this run already stays where it
/// is.
fn stage(
    store: &Store,
    run_id: Option<String>,
    fresh: String,
    config: &RunConfig,
    source: &Origin,
) -> Result<Staged, Error> {
    let Origin { path, manifest, state } = source;
    let before = run_id.clone();
    let own = run_id.filter(|run_id| *run_id == manifest.run_id);
    let in_place = match &own {
        Some(run_id) => name_of(&store.of_run(run_id), path)?,
        None => None,
    };
    let run_id = own.unwrap_or(fresh);
    let name = if let Some(name) = in_place {
        name
    } else {
        let saved = Saved {
            run_id: &run_id,
            config,
            schedule: &manifest.schedule,
            evaluation: manifest.test_loss.zip(manifest.test_accuracy),
            state,
        };
        store.stage(&saved)?.0
    };
    let import = Import { path: absolute(path)?, content: manifest.into(), name, instead_of: before };
    Ok(Staged { import, run_id })
}

/// The name of the checkpoint at `path`, if it is in the store.
pub(super) fn name_of(store: &Store, path: &Path) -> Result<Option<String>, Error> {
    let found = path.canonicalize().ok();
    let names = store.list()?.into_iter().map(|(name, _)| name);
    Ok(names.into_iter().find(|name| found.is_some() && store.path(name).canonicalize().ok() == found))
}

/// Records that the run goes on from a checkpoint that is staged.
fn record(journal: &mut Journal, staged: &Staged, config: &RunConfig, source: &Origin) -> Result<(), Error> {
    let Staged { import, run_id } = staged;
    let manifest = &source.manifest;
    // The epochs before it are known if they are the run's own.
    let known = *run_id == manifest.run_id && leads_to(&journal.epochs()?, manifest);
    let text = format!("taking in checkpoint {} of run {}, {}", import.path, manifest.run_id, manifest.position);
    journal.commit([
        Entry::Run { id: run_id.clone(), config: Box::new(config.clone()) },
        Entry::Rewind { epoch: if known { manifest.position.epoch } else { 0 } },
        Entry::Event(text),
        Entry::Import(Box::new(import.clone())),
    ])
}

/// Finishes the last import if it is recorded and not done: removes the checkpoints that it makes void, and gives it
/// its name. Returns its manifest. `None` if there is none to finish, or nothing of it is left.
pub(super) fn finish(journal: &mut Journal, store: &Store) -> Result<Option<Manifest>, Error> {
    let (Some((import, false)), Some((run_id, _))) = (journal.last_import()?, journal.run()?) else { return Ok(None) };
    let own = store.of_run(&run_id);
    let is_it =
        |manifest: &Manifest| manifest.run_id == run_id && manifest.weights_sha256 == import.content.weights_sha256;
    // An unreadable one counts as missing.
    let staged = store.staged(&import.name).ok().flatten().filter(&is_it);
    let is_staged = staged.is_some();
    let in_place = || Ok::<_, Error>(own.list()?.into_iter().find(|(name, _)| *name == import.name).map(|(_, it)| it));
    let manifest = match staged {
        Some(staged) => Some(staged),
        None => in_place()?.filter(&is_it),
    };
    let Some(manifest) = manifest else { return Ok(None) };
    for (name, position) in void(store, &import, &run_id)? {
        tracing::info!("removing checkpoint {name} at {position}, of the course that is given up");
        store.remove(&name)?;
    }
    if is_staged {
        own.place(&import.name)?;
    }
    let name = import.name.clone();
    journal.commit([Entry::Checkpoint { name, steps_done: manifest.steps_done }, Entry::ImportDone])?;
    Ok(Some(manifest))
}

/// The checkpoints that `import` makes void, if the run goes on as `run_id`.
fn void(store: &Store, import: &Import, run_id: &str) -> Result<Vec<(String, plan::Position)>, Error> {
    let Some(before) = &import.instead_of else { return Ok(Vec::new()) };
    let another = before != run_id;
    let all = store.of_run(before).list()?.into_iter().map(|(name, manifest)| (name, manifest.position));
    Ok(all.filter(|(_, position)| another || *position > import.content.position).collect())
}

#[cfg(test)]
mod tests;
