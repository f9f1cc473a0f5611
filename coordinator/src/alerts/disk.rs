//! How much room a disk has, as a thread of its own sees it. A disk that hangs holds up nothing else.

use super::spawn;
use crate::error::Error;
use alerts::Disk;
use nix::sys::statvfs::statvfs;
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::sleep,
    time::Duration,
};

/// Between two looks at it.
const INTERVAL: Duration = Duration::from_secs(10);

/// What is known of a disk.
#[derive(Debug, Clone, Default)]
pub struct Watched(Arc<Mutex<Option<Disk>>>);

impl Watched {
    /// Looks at the disk of `directory` until nobody asks for it any more.
    pub fn start(directory: &Path) -> Result<Self, Error> {
        let watched = Self::default();
        let seen = Arc::downgrade(&watched.0);
        let directory = directory.to_owned();
        spawn("disk", move || {
            loop {
                let disk = look(&directory);
                let Some(seen) = seen.upgrade() else { return };
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = disk;
                drop(seen);
                sleep(INTERVAL);
            }
        })?;
        Ok(watched)
    }

    /// As last seen; `None` if it cannot be told.
    pub fn now(&self) -> Option<Disk> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look(directory: &Path) -> Option<Disk> {
    let disk = statvfs(directory).ok()?;
    let block = disk.fragment_size();
    Some(Disk { free: disk.blocks_available() * block, total: disk.blocks() * block })
}
