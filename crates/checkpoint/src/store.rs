//! The directory of a run's checkpoints.

use crate::{Error, FileDigest, Manifest, Retention, State, retention, tensors};
use plan::{RunConfig, ScheduleState};
use resnet::{Architecture, Layout};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

const MODEL: &str = "model.safetensors";
const TRAINING: &str = "training.safetensors";
const MANIFEST: &str = "manifest.json";
const LATEST: &str = "latest";
const PREFIX: &str = "step-";

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
    /// The state.
    pub state: &'a State,
}

/// A checkpoint that was read: name, manifest, state.
pub type Found = (String, Manifest, State);

/// The directory of a run's checkpoints.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The checkpoints in `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The path of the checkpoint `name`.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes a checkpoint and makes it the latest. Returns its name and manifest.
    ///
    /// # Errors
    /// If the state does not fit its model, or the file system refuses; checkpoints there before are untouched then.
    pub fn write(&self, saved: &Saved<'_>) -> Result<(String, Manifest), Error> {
        let layout = Layout::new(&Architecture::named(&saved.config.model)?);
        saved.state.check(&saved.config.model, &layout)?;
        let steps_done = saved.state.position.steps_done(saved.config.steps().count());
        let name = format!("{PREFIX}{steps_done:08}");
        let target = self.root.join(&name);
        let aside = self.root.join(format!(".{name}.new"));
        remove(&aside)?;
        fs::create_dir_all(&aside).map_err(Error::io("create", &aside))?;
        let mut files = BTreeMap::new();
        for (file, content) in [
            (MODEL, tensors::model_file(&aside.join(MODEL), &layout, saved.state, steps_done)?),
            (TRAINING, tensors::training_file(&aside.join(TRAINING), &layout, saved.state)?),
        ] {
            write_durably(&aside.join(file), &content)?;
            files.insert(file.to_owned(), digest(&content));
        }
        let manifest = Manifest {
            format: 1,
            run_id: saved.run_id.to_owned(),
            position: saved.state.position,
            steps_done,
            schedule: saved.schedule.clone(),
            test_loss: saved.evaluation.map(|(loss, _)| loss),
            test_accuracy: saved.evaluation.map(|(_, accuracy)| accuracy),
            config: saved.config.clone(),
            written_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            weights_sha256: tensors::weights_sha256(&layout, saved.state, steps_done),
            files,
        };
        let json =
            serde_json::to_vec_pretty(&manifest).map_err(|error| Error::damaged(aside.join(MANIFEST), &error))?;
        write_durably(&aside.join(MANIFEST), &json)?;
        sync(&aside)?;
        // The same position written again, as by a stop right before an evaluation: the old one steps aside first.
        let old = self.root.join(format!(".{name}.old"));
        remove(&old)?;
        if target.exists() {
            fs::rename(&target, &old).map_err(Error::io("rename", &target))?;
        }
        fs::rename(&aside, &target).map_err(Error::io("rename", &aside))?;
        sync(&self.root)?;
        remove(&old)?;
        let latest = self.root.join(format!(".{LATEST}.new"));
        write_durably(&latest, format!("{name}\n").as_bytes())?;
        fs::rename(&latest, self.root.join(LATEST)).map_err(Error::io("rename", &latest))?;
        sync(&self.root)?;
        Ok((name, manifest))
    }

    /// Names and manifests of all checkpoints whose manifest can be read, oldest first.
    ///
    /// # Errors
    /// If the directory is there and cannot be read.
    pub fn list(&self) -> Result<Vec<(String, Manifest)>, Error> {
        if !self.root.exists() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(Error::io("read", &self.root))? {
            let entry = entry.map_err(Error::io("read", &self.root))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(PREFIX)
                && let Ok(manifest) = read_manifest(&entry.path())
            {
                found.push((name, manifest));
            }
        }
        found.sort_by_key(|(_, manifest)| manifest.steps_done);
        Ok(found)
    }

    /// The newest checkpoint that is whole, and what is wrong with newer ones.
    ///
    /// # Errors
    /// If the directory is there and cannot be read.
    pub fn newest(&self) -> Result<(Option<Found>, Vec<Error>), Error> {
        let mut damaged = Vec::new();
        for (name, manifest) in self.list()?.into_iter().rev() {
            match read(&self.root.join(&name)) {
                Ok((_, state)) => return Ok((Some((name, manifest, state)), damaged)),
                Err(error) => damaged.push(error),
            }
        }
        Ok((None, damaged))
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
            remove(&self.root.join(&names[index]))?;
            removed.push(names[index].clone());
        }
        Ok(removed)
    }
}

impl Store {
    /// Removes the checkpoints after `steps_done` steps: of a course that is given up for one from before.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn remove_after(&self, steps_done: u64) -> Result<(), Error> {
        for (name, manifest) in self.list()? {
            if manifest.steps_done > steps_done {
                remove(&self.root.join(name))?;
            }
        }
        Ok(())
    }
}

/// The manifest of the checkpoint at `path`; its tensors are not looked at.
///
/// # Errors
/// If there is none, or it cannot be understood.
pub fn read_manifest(path: &Path) -> Result<Manifest, Error> {
    let file = path.join(MANIFEST);
    if !file.is_file() {
        return Err(Error::NotACheckpoint { path: path.to_owned() });
    }
    let json = fs::read(&file).map_err(Error::io("read", &file))?;
    serde_json::from_slice(&json).map_err(|error| Error::damaged(file, &error))
}

/// The checkpoint at `path`, with every checksum verified.
///
/// # Errors
/// If it is no checkpoint, or a file is missing, short or altered.
pub fn read(path: &Path) -> Result<(Manifest, State), Error> {
    let manifest = read_manifest(path)?;
    let layout = Layout::new(&Architecture::named(&manifest.config.model)?);
    let verified = |name: &str| -> Result<(PathBuf, Vec<u8>), Error> {
        let file = path.join(name);
        let content = fs::read(&file).map_err(Error::io("read", &file))?;
        let expected = manifest.files.get(name);
        let found = digest(&content);
        match expected {
            Some(expected) if *expected == found => Ok((file, content)),
            Some(expected) if expected.bytes != found.bytes => {
                let why = format!("it has {} bytes instead of {}", found.bytes, expected.bytes);
                Err(Error::damaged(file, &why))
            }
            Some(_) => Err(Error::damaged(file, &"its checksum is not the manifest's")),
            None => Err(Error::damaged(file, &"the manifest does not name it")),
        }
    };
    let (model_path, model) = verified(MODEL)?;
    let (training_path, training) = verified(TRAINING)?;
    let state = tensors::state(&layout, manifest.position, (&model_path, &model), (&training_path, &training))?;
    Ok((manifest, state))
}

fn digest(content: &[u8]) -> FileDigest {
    FileDigest { bytes: content.len() as u64, sha256: tensors::hex(&Sha256::digest(content)) }
}

fn write_durably(path: &Path, content: &[u8]) -> Result<(), Error> {
    let mut file = File::create(path).map_err(Error::io("create", path))?;
    file.write_all(content).map_err(Error::io("write", path))?;
    file.sync_all().map_err(Error::io("sync", path))
}

/// Makes the names in a directory survive a loss of power.
fn sync(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(Error::io("sync", directory))
}

fn remove(path: &Path) -> Result<(), Error> {
    if path.exists() { fs::remove_dir_all(path).map_err(Error::io("remove", path)) } else { Ok(()) }
}
