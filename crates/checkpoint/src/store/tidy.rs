//! What a coordinator that was killed left behind.

use super::{
    Store,
    names::{self, Hidden},
};
use crate::{Error, disk, read::read};
use std::{fs, io::ErrorKind};

impl Store {
    /// Finishes, or undoes, what was under way when the last coordinator was killed. Of checkpoints that were staged
    /// only the one to be `import` stays. Returns what could not be removed, which costs room and nothing else.
    ///
    /// Only for who has the run to itself.
    ///
    /// # Errors
    /// If the directory is there and cannot be read, or a checkpoint cannot get its name back.
    pub fn tidy(&self, import: Option<&str>) -> Result<Vec<Error>, Error> {
        let mut left = Vec::new();
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(left),
            Err(error) => return Err(Error::io("read", &self.root)(error)),
        };
        for entry in entries {
            let hidden = entry.map_err(Error::io("read", &self.root))?.file_name().to_string_lossy().into_owned();
            let superfluous = match Hidden::parse(&hidden) {
                Some((name, Hidden::Import)) => import != Some(name),
                Some((name, Hidden::Old)) => !self.put_back(name)?,
                Some((_, Hidden::New | Hidden::Gone)) => true,
                None => hidden == names::NEXT_LATEST,
            };
            if superfluous {
                left.extend(disk::remove(&self.root.join(hidden)).err());
            }
        }
        Ok(left)
    }

    /// Gives a checkpoint its name back that a newer one was about to take, if that did not come.
    fn put_back(&self, name: &str) -> Result<bool, Error> {
        let (target, old) = (self.path(name), self.hidden(name, Hidden::Old));
        if disk::is_taken(&target)? || read(&old).is_err() {
            return Ok(false);
        }
        disk::rename(&old, &target)?;
        disk::sync(&self.root)?;
        Ok(true)
    }

    /// Sees to it that `latest` names the checkpoint `newest`, or is not there if there is none.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn mend_latest(&self, newest: Option<&str>) -> Result<(), Error> {
        let path = self.root.join(names::LATEST);
        match newest {
            Some(name) if disk::content(&path).is_ok_and(|text| text == format!("{name}\n").as_bytes()) => Ok(()),
            Some(name) => self.point_latest_at(name),
            None => disk::remove(&path),
        }
    }
}
