//! What can be wrong with a checkpoint.

use state::WrongSlots;
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
    /// A file has something in it that this version does not know.
    #[error("{} is of a newer version of coxswain ({why}): use that version, or another checkpoint", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// What is not known.
        why: String,
    },
    /// The path is no checkpoint.
    #[error("{} is no checkpoint: it has no manifest.json", path.display())]
    NotACheckpoint {
        /// What was given as a checkpoint.
        path: PathBuf,
    },
    /// A checkpoint in a run's directory is of another run.
    #[error("{} is of run {run_id}, not of this one: --resume begins from it", path.display())]
    OtherRun {
        /// Which checkpoint.
        path: PathBuf,
        /// The run that its manifest names.
        run_id: String,
    },
    /// A state is of no use for anything.
    #[error("{holder} has weights that are NaN or infinite: training has diverged there")]
    Diverged {
        /// Where it is.
        holder: String,
    },
    /// The state does not have the slots of its model, or not their sizes.
    #[error("the state is not one of {model}: {source}")]
    WrongSlots {
        /// The model.
        model: String,
        /// What is wrong.
        source: WrongSlots,
    },
    /// The configuration names a model that this version does not have.
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

    pub(crate) fn newer(path: impl Into<PathBuf>, why: &impl ToString) -> Self {
        Self::Newer { path: path.into(), why: why.to_string() }
    }
}
