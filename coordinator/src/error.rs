//! Why a coordinator ends, and with which exit code.

use config::{Difference, Impossible, NoConfig};
use plan::BadTimeout;
use program::Usage;
use std::{net::SocketAddr, path::PathBuf};
use thiserror::Error;

/// Why a coordinator ends.
#[derive(Debug, Error)]
pub enum Error {
    /// The command line or a variable is wrong, or help was asked for.
    #[error(transparent)]
    Usage(#[from] Usage),
    /// The file of flags is wrong.
    #[error("--config {}: {why}", path.display())]
    ConfigFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A value that no run can have.
    #[error(transparent)]
    Impossible(#[from] Impossible),
    /// Settings that fit no configuration.
    #[error("{0}")]
    NoConfig(#[from] NoConfig),
    /// A time-out that no run can have.
    #[error(transparent)]
    Timeout(#[from] BadTimeout),
    /// --model is no model's name. The error names the nearest.
    #[error("--model: {0}")]
    Model(#[from] resnet::UnknownModel),
    /// The address is taken, or not of this machine.
    #[error("cannot listen on {address}: {source}; choose another with --listen")]
    Listen {
        /// What --listen gave.
        address: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// The page's address is taken, or not of this machine.
    #[error("cannot serve the page on {address}: {source}; choose another with --http, or --http off")]
    Http {
        /// What --http gave.
        address: SocketAddr,
        /// The system's words.
        source: std::io::Error,
    },
    /// A page was asked for and cannot be served.
    #[error("there is nothing to show a page on: name a free address with --http")]
    NoPage,
    /// A run that was to be shown cannot be.
    #[error(transparent)]
    Chronicle(#[from] chronicle::Error),
    /// The run directory holds another configuration.
    #[error(
        "{} holds a run with another configuration:\n{}\nGive it those values, or this run another --run-dir",
        run_dir.display(),
        lines(differences)
    )]
    ConfigChanged {
        /// Which directory.
        run_dir: PathBuf,
        /// From what it holds to what was asked for.
        differences: Vec<Difference>,
    },
    /// The checkpoint to begin from has another configuration.
    #[error(
        "checkpoint {} is of a run with another configuration:\n{}\nGive those values, or begin a run without it",
        checkpoint.display(),
        lines(differences)
    )]
    CheckpointDiffers {
        /// The folder of the checkpoint that was asked for.
        checkpoint: PathBuf,
        /// From what it has to what was asked for.
        differences: Vec<Difference>,
    },
    /// A run was there, and nothing of it can be gone on from.
    #[error(
        "a run was in {} already, and it cannot be gone on from:\n{}\nMend that, begin from another checkpoint with \
         --resume PATH, or give this run another --run-dir",
        run_dir.display(),
        lines(why)
    )]
    NothingToGoOnFrom {
        /// Which directory.
        run_dir: PathBuf,
        /// In words, for all that is there.
        why: Vec<String>,
    },
    /// The run directory holds a run, and `--resume never` was given.
    #[error("{} holds a run already: give another --run-dir, or --resume auto to go on with it", run_dir.display())]
    RunExists {
        /// Which directory.
        run_dir: PathBuf,
    },
    /// The data set cannot be used.
    #[error("{0}")]
    Data(#[from] data::Error),

    /// A data set that there is none of.
    #[error("--dataset: {0}")]
    Dataset(#[from] importers::UnknownDataset),
    /// A checkpoint cannot be used.
    #[error("{0}")]
    Checkpoint(#[from] checkpoint::Error),
    /// The run directory cannot be used.
    #[error("cannot {operation} {}: {why}", path.display())]
    RunDir {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's or SQLite's words.
        why: String,
    },
    /// Another coordinator uses the run directory.
    #[error("another coordinator is at work in {}: stop it first, or give another --run-dir", run_dir.display())]
    Busy {
        /// Which directory.
        run_dir: PathBuf,
    },
    /// There is nothing to answer predictions from.
    #[error("cannot serve {}: {why}; give a run directory or a checkpoint", path.display())]
    NothingToServe {
        /// What was given.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// `--resume` names a checkpoint, and there is none.
    #[error("--resume {}: cannot find it: {why}; give auto, never, or the folder of a checkpoint", path.display())]
    ResumeFromNothing {
        /// What was given.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// Local workers cannot be started.
    #[error("cannot start a worker: {0}")]
    Spawn(String),
    /// Nothing can be printed.
    #[error("cannot write the output: {0}")]
    Output(std::io::Error),
    /// The server broke.
    #[error("the gRPC server ended: {0}")]
    Serve(String),
    /// The run cannot go on.
    #[error("the run failed: {0}")]
    Failed(String),
}

/// A line for each.
fn lines(items: &[impl ToString]) -> String {
    items.iter().map(|item| format!("  {}", item.to_string())).collect::<Vec<_>>().join("\n")
}

impl Error {
    /// The exit code of a coordinator that ends with it.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Output(_) => 1,
            Self::Usage(_)
            | Self::ConfigFile { .. }
            | Self::Impossible(_)
            | Self::NoConfig(_)
            | Self::Timeout(_)
            | Self::Dataset(_)
            | Self::Model(_) => 2,
            Self::Listen { .. } | Self::Http { .. } | Self::NoPage | Self::Serve(_) => 3,
            Self::Chronicle(chronicle::Error::Live { .. })
            | Self::ConfigChanged { .. }
            | Self::CheckpointDiffers { .. }
            | Self::RunExists { .. }
            | Self::Busy { .. } => 4,
            Self::Spawn(_) => 5,
            Self::Data(_) => 6,
            Self::Failed(_) => 7,
            Self::Checkpoint(_)
            | Self::NothingToGoOnFrom { .. }
            | Self::ResumeFromNothing { .. }
            | Self::NothingToServe { .. } => 8,
            Self::RunDir { .. } | Self::Chronicle(_) => 9,
        }
    }
}
