//! Why a worker ends.

use engine::{BadFault, EngineError};
use program::Usage;
use std::{path::PathBuf, time::Duration};
use thiserror::Error;

/// Why a worker ends before the run is over.
#[derive(Debug, Error)]
pub enum Error {
    /// The command line or a variable is wrong.
    #[error(transparent)]
    Usage(#[from] Usage),
    /// The system does not give what every program needs.
    #[error("cannot start: {0}")]
    Start(std::io::Error),
    /// No coordinator was found in time.
    #[error(
        "no coordinator at {url} for {:.1} s ({cause}): start one, or say where it is with --coordinator or COORDINATOR",
        after.as_secs_f64()
    )]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// For how long.
        after: Duration,
        /// The last failure.
        cause: String,
    },
    /// The address of the coordinator is none.
    #[error("--coordinator {url} is no address: {cause}; it has the form http://HOST:PORT")]
    BadUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The coordinator does not want this worker.
    #[error("the coordinator at {url} refuses this worker: {reason}")]
    Refused {
        /// Where it is.
        url: String,
        /// In its words.
        reason: String,
    },
    /// The coordinator has given this worker up while it lived.
    #[error("the coordinator at {url} has given this worker up: {reason}; start it again if it is well")]
    GivenUp {
        /// Where it is.
        url: String,
        /// In its words.
        reason: String,
    },
    /// What this worker holds differs from what the others hold.
    #[error(
        "the coordinator at {url} has given this worker up: {reason}; its memory cannot be trusted: look at the machine \
         before it is started again"
    )]
    Corrupt {
        /// Where it is.
        url: String,
        /// In its words.
        reason: String,
    },
    /// COXSWAIN_FAULT says nothing that can be done.
    #[error(transparent)]
    BadFault(#[from] BadFault),
    /// The device is not there.
    #[error("{0}")]
    Device(String),
    /// The data set cannot be had.
    #[error("the data set cannot be used: {0}")]
    Data(String),
    /// The data set or a state did not come to its end, which may be the network's fault.
    #[error("{0}")]
    Interrupted(String),
    /// What was to prepare this worker has died.
    #[error("this worker could not be prepared: {0}")]
    Prepare(String),
    /// A file cannot be written.
    #[error("cannot write {}: {source}; choose another --cache-dir", path.display())]
    Cache {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// The engine cannot go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The coordinator says what no coordinator of this version says.
    #[error(transparent)]
    Malformed(#[from] proto::Malformed),
}

impl Error {
    /// The exit code of a worker that ends with it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::BadUrl { .. } | Self::BadFault(_) => 2,
            Self::Unreachable { .. } => 3,
            Self::Refused { .. } | Self::Malformed(_) => 4,
            Self::Device(_) => 5,
            Self::Data(_) | Self::Cache { .. } => 6,
            Self::Engine(_) | Self::Prepare(_) | Self::Interrupted(_) | Self::Start(_) => 7,
            Self::GivenUp { .. } => 8,
            Self::Corrupt { .. } => 9,
        }
    }
}
