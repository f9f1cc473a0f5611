//! A small disk of a test's own, which can be full, and whose directories can be read-only.

use crate::namespace::{self, run};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

/// In MiB: some checkpoints of a small model.
const SIZE: u32 = 24;

/// A file system in memory, with an end.
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// Inside a namespace, a disk of this process and its children alone. Outside of it runs `test`, a test of this
    /// program, inside, and returns `None`: there is nothing more to do.
    ///
    /// # Panics
    /// If `test` fails inside.
    #[must_use]
    pub fn inside(test: &str) -> Option<Self> {
        if !namespace::enter(test, &["--mount"], "mount -t tmpfs none /mnt") {
            return None;
        }
        run("mount", &format!("-t tmpfs -o size={SIZE}m none /mnt"));
        Some(Self { root: "/mnt".into() })
    }

    /// Its root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Fills it to its end.
    ///
    /// # Panics
    /// If it fails otherwise than by being full.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("there is room for an empty file");
        loop {
            match ballast.write(&[0; 4096]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("cannot fill the disk: {error}"),
            }
        }
    }

    /// Gives back what [`Self::fill`] took.
    ///
    /// # Panics
    /// If it was not filled.
    pub fn free(&self) {
        fs::remove_file(self.ballast()).expect("the disk was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.root.join("ballast")
    }

    /// Makes a directory read-only, for everybody.
    ///
    /// # Panics
    /// If that cannot be done.
    pub fn protect(&self, directory: &Path) {
        let directory = directory.display();
        run("mount", &format!("--bind {directory} {directory}"));
        run("mount", &format!("-o remount,bind,ro {directory}"));
    }

    /// Makes it as it was before [`Self::protect`].
    ///
    /// # Panics
    /// If it was not protected.
    pub fn release(&self, directory: &Path) {
        run("umount", &format!("--lazy {}", directory.display()));
    }
}
