//! What can be wrong with a data set.

use std::io;
use std::path::PathBuf;

/// The data set cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file is not there.
    #[error("{path} is missing: copy the data set's files there (`cargo xtask setup` gets those of CIFAR-10)", path = .path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file has the wrong length, as after an interrupted copy.
    #[error(
        "{path} has {found} bytes instead of {expected}: copy it again (`cargo xtask setup` replaces those of CIFAR-10)",
        path = .path.display()
    )]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Its length, in bytes.
        found: u64,
        /// The length it should have, in bytes.
        expected: u64,
    },
    /// A file has the right length and other contents.
    #[error(
        "{path} is not the file of this data set (its sha256 is {found} instead of {expected}): copy it again \
         (`cargo xtask setup` replaces those of CIFAR-10)",
        path = .path.display()
    )]
    Altered {
        /// The file.
        path: PathBuf,
        /// Its sha256, in hexadecimal.
        found: String,
        /// The sha256 it should have, in hexadecimal.
        expected: String,
    },
    /// A file is there and cannot be read.
    #[error("cannot read {path}: {source}; check its permissions", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A limit that leaves no samples, or asks for more than there are.
    #[error("a limit of {limit} samples is outside 1 to {available}: choose one inside, or none for all of them")]
    Limit {
        /// The limit asked for.
        limit: usize,
        /// Samples of the split.
        available: usize,
    },
    /// A record whose label is no class.
    #[error(
        "{path}: record {record} has the label {label}, and there are {classes} classes: it is not of this data set",
        path = .path.display()
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// The record in it, from 0 on.
        record: usize,
        /// What it says.
        label: u8,
        /// Classes of the data set.
        classes: usize,
    },
    /// A description of what no data set is.
    #[error("data set {name:?} cannot be: {why}")]
    Spec {
        /// What the description calls the data set.
        name: String,
        /// What is wrong.
        why: String,
    },
}
