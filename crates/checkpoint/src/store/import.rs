//! Imports a checkpoint from elsewhere. It is whole on disk before it is recorded, and gets its name only after that.

use super::{Saved, Store, names::Hidden};
use crate::{Error, Manifest, disk, read};

impl Store {
    /// Writes a checkpoint that is to be taken in, under a hidden name. Returns the name that it is to have.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn stage(&self, saved: &Saved<'_>) -> Result<(String, Manifest), Error> {
        self.write_aside(saved, Hidden::Import)
    }

    /// The manifest of the checkpoint that was staged to be `name`, if there is one that is whole.
    ///
    /// # Errors
    /// If it cannot be told.
    pub fn staged(&self, name: &str) -> Result<Option<Manifest>, Error> {
        let path = self.hidden(name, Hidden::Import);
        if !disk::is_taken(&path)? {
            return Ok(None);
        }
        read(&path).map(|(manifest, _)| Some(manifest))
    }

    /// Gives the checkpoint that was staged to be `name` its name, and makes it the latest.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn place(&self, name: &str) -> Result<(), Error> {
        self.put_in_place(name, Hidden::Import)
    }
}
