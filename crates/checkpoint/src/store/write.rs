//! Writing checkpoints: aside first, then in place.

use super::{
    Saved, Store,
    names::{self, Hidden},
};
use crate::initial::slots;
use crate::{
    Error, Manifest, disk,
    manifest::FORMAT,
    read::{MANIFEST, MODEL, TRAINING, digest, read},
    tensors,
};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

impl Store {
    /// Writes a checkpoint and makes it the latest. Returns its name and manifest.
    ///
    /// # Errors
    /// If the state does not fit its model or is of no use, or the file system refuses. Earlier checkpoints are
    /// untouched then.
    pub fn write(&self, saved: &Saved<'_>) -> Result<(String, Manifest), Error> {
        let (name, manifest) = self.write_aside(saved, Hidden::New)?;
        self.put_in_place(&name, Hidden::New)?;
        Ok((name, manifest))
    }

    /// Writes a checkpoint under a hidden name: all of it is on disk then.
    pub(super) fn write_aside(&self, saved: &Saved<'_>, why: Hidden) -> Result<(String, Manifest), Error> {
        let architecture = saved.config.architecture()?;
        let layout = architecture.layout();
        let wrong = |source| Error::WrongSlots { model: saved.config.model.clone(), source };
        let slots = slots(saved.config, layout);
        saved.state.check(&slots).map_err(wrong)?;
        if !saved.state.has_numbers() {
            return Err(Error::Diverged { holder: format!("the state at {}", saved.state.position) });
        }
        let steps_done = saved.state.position.steps_done(saved.config.steps().count());
        let name = names::after(steps_done);
        let aside = self.hidden(&name, why);
        self.create()?;
        disk::remove(&aside)?;
        fs::create_dir(&aside).map_err(Error::io("create", &aside))?;
        let mut files = BTreeMap::new();
        for (file, content) in [
            (MODEL, tensors::model_file(&aside.join(MODEL), layout, saved.state, steps_done)?),
            (TRAINING, tensors::training_file(&aside.join(TRAINING), layout, &slots, saved.state)?),
        ] {
            disk::write_durably(&aside.join(file), &content)?;
            files.insert(file.to_owned(), digest(&content));
        }
        let manifest = Manifest {
            format: FORMAT,
            run_id: saved.run_id.to_owned(),
            position: saved.state.position,
            steps_done,
            schedule: saved.schedule.clone(),
            test_loss: saved.evaluation.map(|(loss, _)| loss),
            test_accuracy: saved.evaluation.map(|(_, accuracy)| accuracy),
            config: saved.config.clone(),
            written_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            weights_sha256: tensors::weights_sha256(layout, saved.state, steps_done),
            files,
        };
        let json =
            serde_json::to_vec_pretty(&manifest).map_err(|error| Error::damaged(aside.join(MANIFEST), &error))?;
        disk::write_durably(&aside.join(MANIFEST), &json)?;
        disk::sync(&aside)?;
        disk::sync(&self.root)?;
        Ok((name, manifest))
    }

    /// Gives a checkpoint that has a hidden name its own, and makes it the latest.
    pub(super) fn put_in_place(&self, name: &str, from: Hidden) -> Result<(), Error> {
        let (target, aside) = (self.path(name), self.hidden(name, from));
        let old = self.hidden(name, Hidden::Old);
        disk::remove(&old)?;
        if disk::is_taken(&target)? {
            // The same position written again, as by a stop right before an evaluation: the old one steps aside first.
            let ours = read(&target).and_then(|(manifest, _)| self.check_belongs(&target, &manifest)).is_ok();
            // What this run did not write, or cannot read, it does not throw away either.
            let to = if ours { old.clone() } else { self.root.join(names::kept(&self.root, name)) };
            disk::rename(&target, &to)?;
        }
        disk::rename(&aside, &target)?;
        disk::sync(&self.root)?;
        disk::remove(&old)?;
        self.point_latest_at(name)
    }

    /// Makes `latest` name the checkpoint `name`.
    pub(super) fn point_latest_at(&self, name: &str) -> Result<(), Error> {
        let (latest, next) = (self.root.join(names::LATEST), self.root.join(names::NEXT_LATEST));
        disk::write_durably(&next, format!("{name}\n").as_bytes())?;
        disk::rename(&next, &latest)?;
        disk::sync(&self.root)
    }

    /// Creates the directory, if it is not there.
    fn create(&self) -> Result<(), Error> {
        if self.root.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.root).map_err(Error::io("create", &self.root))?;
        match self.root.parent() {
            Some(parent) if parent != Path::new("") => disk::sync(parent),
            _ => Ok(()),
        }
    }
}
