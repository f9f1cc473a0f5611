//! Where a test keeps its files.

use std::{env, path::Path, thread};
use tempfile::TempDir;

/// A folder of a test's own. It goes with the test, unless the test fails: then it stays, and the test says where it is and
/// how to repeat it.
#[derive(Debug)]
pub struct Scratch(TempDir);

/// A new one.
///
/// # Panics
/// If the system gives none.
#[must_use]
pub fn scratch() -> Scratch {
    Scratch(tempfile::tempdir().expect("a folder for temporary files"))
}

impl Scratch {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        self.0.disable_cleanup(true);
        let program = env::current_exe().ok();
        let program = program.as_deref().and_then(Path::file_stem).unwrap_or_default().to_string_lossy().into_owned();
        // Cargo adds a hash.
        let file = program.rsplit_once('-').map_or(program.as_str(), |(file, _)| file);
        let test = thread::current().name().unwrap_or_default().to_owned();
        eprintln!("What the test left is in {}. To repeat it:", self.path().display());
        eprintln!("  cargo xtask test -p system-tests --test {file} -- --exact {test}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_folder_stays_if_its_test_fails_and_else_goes() {
        let passing = scratch().path().to_owned();
        assert!(!passing.exists());
        let (sender, receiver) = std::sync::mpsc::channel();
        let failing = thread::spawn(move || {
            let folder = scratch();
            sender.send(folder.path().to_owned()).expect("the test waits for it");
            panic!("as a test that fails does");
        });
        assert!(failing.join().is_err());
        let kept = receiver.recv().expect("it was sent");
        assert!(kept.exists());
        fs::remove_dir_all(kept).expect("it is this test's own");
    }
}
