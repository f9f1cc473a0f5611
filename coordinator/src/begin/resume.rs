//! `--resume`: where a run is to begin.

use crate::error::Error;
use std::path::{Path, PathBuf};

/// Where a run is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resume {
    /// Where its directory is.
    Auto,
    /// At its beginning.
    Never,
    /// At a checkpoint.
    From(PathBuf),
}

impl Resume {
    /// What `--resume TEXT` asks for.
    pub fn of(text: &str) -> Self {
        match text {
            "auto" => Self::Auto,
            "never" => Self::Never,
            path => Self::From(path.into()),
        }
    }
}

/// A path from the root of the file system, whether there is anything or not.
pub(super) fn absolute(path: &Path) -> Result<String, Error> {
    let absolute = std::path::absolute(path).map_err(|error| Error::RunDir {
        operation: "find",
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    // The same place has one name: without a slash at its end, or a dot on its way.
    let plain: PathBuf = absolute.components().collect();
    Ok(plain.to_string_lossy().into_owned())
}
