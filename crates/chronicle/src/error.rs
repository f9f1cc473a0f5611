//! Why a journal cannot be read.

use std::path::PathBuf;
use thiserror::Error;

/// Why there is no chronicle.
#[derive(Debug, Error)]
pub enum Error {
    /// There is no run.
    #[error("{} holds no run: there is no journal.sqlite in it; give the directory of a run, such as runs/resnet20", run_dir.display())]
    NoRun {
        /// Which directory.
        run_dir: PathBuf,
    },
    /// A coordinator has the journal to itself.
    #[error("a coordinator is at work in {}: ask it by cox --coordinator, or open its page, instead of reading its files", run_dir.display())]
    Live {
        /// Which directory.
        run_dir: PathBuf,
    },
    /// The file cannot be read, or does not hold a journal.
    #[error("cannot read {}: {why}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// The words of the system, of SQLite or of JSON.
        why: String,
    },
}
