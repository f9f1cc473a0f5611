//! The directory of a run's checkpoints.

mod import;
mod names;
mod tidy;
mod write;

use crate::{
    Error, Manifest, Retention, disk,
    read::{look_at, read},
    retention,
};
use config::RunConfig;
use names::Hidden;
use schedule::ScheduleState;
use state::State;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What a checkpoint is made of.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// The run that writes it.
    pub run_id: &'a str,
    /// Its configuration.
    pub config: &'a RunConfig,
    /// The schedule at the state's position.
    pub schedule: &'a ScheduleState,
    /// Test loss and accuracy of the state, where it was evaluated.
    pub evaluation: Option<(f64, f64)>,
    /// Position, totals and slots.
    pub state: &'a State,
}

/// A checkpoint that was read: name, manifest, state.
pub type Found = (String, Manifest, State);

/// What has the name of a checkpoint, and counts for nothing.
#[derive(Debug)]
pub struct PassedOver {
    /// The name of the folder, without the directory that it is in.
    pub name: String,
    /// What is wrong with what is in it.
    pub why: Error,
}

/// What is in the directory.
struct Survey {
    /// Names and manifests of what counts, oldest first.
    found: Vec<(String, Manifest)>,
    passed_over: Vec<PassedOver>,
}

/// The directory of a run's checkpoints.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// Whose checkpoints count; `None`: everybody's.
    run_id: Option<String>,
}

impl Store {
    /// The checkpoints in `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), run_id: None }
    }

    /// The same directory, in which only the checkpoints of the run `run_id` count.
    #[must_use]
    pub fn of_run(&self, run_id: &str) -> Self {
        Self { root: self.root.clone(), run_id: Some(run_id.to_owned()) }
    }

    /// The path of the checkpoint `name`.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Names and manifests of all checkpoints that count, oldest first. Those whose manifest cannot be understood, or
    /// whose files are missing or short, do not.
    ///
    /// # Errors
    /// If the directory is there and cannot be read.
    pub fn list(&self) -> Result<Vec<(String, Manifest)>, Error> {
        Ok(self.survey()?.found)
    }

    fn survey(&self) -> Result<Survey, Error> {
        let (mut found, mut passed_over) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            // A link that leads nowhere is no empty directory.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !disk::is_taken(&self.root)? => {
                return Ok(Survey { found, passed_over });
            }
            Err(error) => return Err(Error::io("read", &self.root)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(Error::io("read", &self.root))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if names::is_one(&name) {
                match self.look_at(&name) {
                    Ok(manifest) => found.push((name, manifest)),
                    Err(why) => passed_over.push(PassedOver { name, why }),
                }
            }
        }
        found.sort_by_key(|(_, manifest)| manifest.steps_done);
        Ok(Survey { found, passed_over })
    }

    fn look_at(&self, name: &str) -> Result<Manifest, Error> {
        let path = self.path(name);
        let manifest = look_at(&path)?;
        self.check_belongs(&path, &manifest)?;
        if names::after(manifest.steps_done) != name {
            let why = format!("it is not {}, which its manifest is of", names::after(manifest.steps_done));
            return Err(Error::damaged(path, &why));
        }
        Ok(manifest)
    }

    fn check_belongs(&self, path: &Path, manifest: &Manifest) -> Result<(), Error> {
        if self.run_id.as_ref().is_none_or(|run_id| *run_id == manifest.run_id) {
            return Ok(());
        }
        Err(Error::OtherRun { path: path.to_owned(), run_id: manifest.run_id.clone() })
    }

    /// The newest checkpoint that is whole, and what was passed over, the newest first.
    ///
    /// # Errors
    /// If the directory is there and cannot be read.
    pub fn newest(&self) -> Result<(Option<Found>, Vec<PassedOver>), Error> {
        let Survey { found, mut passed_over } = self.survey()?;
        let mut newest = None;
        for (name, manifest) in found.into_iter().rev() {
            match read(&self.path(&name)) {
                Ok((_, state)) => {
                    newest = Some((name, manifest, state));
                    break;
                }
                Err(why) => passed_over.push(PassedOver { name, why }),
            }
        }
        passed_over.sort_by(|a, b| b.name.cmp(&a.name));
        Ok((newest, passed_over))
    }

    /// Name and manifest of the checkpoint with the highest test accuracy.
    ///
    /// # Errors
    /// If the directory is there and cannot be read.
    pub fn best(&self) -> Result<Option<(String, Manifest)>, Error> {
        let mut all = self.list()?;
        let manifests: Vec<Manifest> = all.iter().map(|(_, manifest)| manifest.clone()).collect();
        Ok(retention::best(&manifests).map(|index| all.swap_remove(index)))
    }

    /// Removes the checkpoints that `retention` does not keep. Returns their names.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn prune(&self, retention: Retention) -> Result<Vec<String>, Error> {
        let (names, manifests): (Vec<String>, Vec<Manifest>) = self.list()?.into_iter().unzip();
        let mut removed = Vec::new();
        for index in retention.superfluous(&manifests) {
            self.remove(&names[index])?;
            removed.push(names[index].clone());
        }
        Ok(removed)
    }

    /// Keeps a checkpoint that looks whole and cannot be read, under another name. So it counts for nothing where only
    /// manifests are looked at. Other checkpoints stay where they are.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn set_apart(&self, name: &str) -> Result<(), Error> {
        if self.look_at(name).is_err() || read(&self.path(name)).is_ok() {
            return Ok(());
        }
        disk::rename(&self.path(name), &self.root.join(names::kept(&self.root, name)))?;
        disk::sync(&self.root)
    }

    /// Removes a checkpoint. One that is half removed no longer has its name.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let gone = self.hidden(name, Hidden::Gone);
        disk::remove(&gone)?;
        disk::rename(&self.path(name), &gone)?;
        disk::sync(&self.root)?;
        disk::remove(&gone)
    }

    fn hidden(&self, name: &str, why: Hidden) -> PathBuf {
        self.root.join(why.of(name))
    }
}
