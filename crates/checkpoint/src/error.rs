//! What can be wrong with a checkpoint.

use std::{io, path::PathBuf};
use thiserror::Error;

/// A checkpoint that cannot be written or read.
#[derive(Debug, Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A file is not what the manifest says: torn by a crash, or altered.
    #[error("{} is damaged: {why}; use another checkpoint", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// The path is no checkpoint.
    #[error("{} is no checkpoint: it has no manifest.json", path.display())]
    NotACheckpoint {
        /// Which path.
        path: PathBuf,
    },
    /// The state does not have the sizes of its model.
    #[error("a state of {model} has {expected} {what}, not {got}")]
    WrongSize {
        /// The model.
        model: String,
        /// Which buffer.
        what: &'static str,
        /// Its elements by the model's layout.
        expected: usize,
        /// Its elements.
        got: usize,
    },
    /// The manifest names a model that this version does not know.
    #[error(transparent)]
    UnknownModel(#[from] resnet::UnknownModel),
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }

    pub(crate) fn damaged(path: impl Into<PathBuf>, why: &impl ToString) -> Self {
        Self::Damaged { path: path.into(), why: why.to_string() }
    }
}
