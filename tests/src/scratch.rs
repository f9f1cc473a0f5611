//! Where a test keeps its files.

use std::{
    env,
    path::{Path, PathBuf},
    thread,
};
use tempfile::TempDir;

/// A folder of a test's own. It goes with the test, unless the test fails: then it stays, and the test says where it is and
/// how to repeat it.
#[derive(Debug)]
pub struct Scratch(Option<TempDir>, PathBuf);

/// A new one.
///
/// # Panics
/// If the system gives none.
#[must_use]
pub fn scratch() -> Scratch {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().to_owned();
    Scratch(Some(folder), path)
}

impl Scratch {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.1
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        if let Some(folder) = self.0.take() {
            let path = folder.keep();
            let program = env::current_exe().ok();
            let program =
                program.as_deref().and_then(Path::file_stem).unwrap_or_default().to_string_lossy().into_owned();
            // Cargo adds a hash.
            let file = program.rsplit_once('-').map_or(program.as_str(), |(file, _)| file);
            let test = thread::current().name().unwrap_or_default().to_owned();
            eprintln!("What the test left is in {}. To repeat it:", path.display());
            eprintln!("  cargo xtask test -p system-tests --test {file} -- --exact {test}");
        }
    }
}
