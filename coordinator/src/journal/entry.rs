//! What is recorded.

use checkpoint::{FileDigest, Manifest};
use config::RunConfig;
use plan::Position;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use steering::{EpochRecord, Recovery};

/// What is recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// The run begins, or is another one from here on.
    Run {
        /// Its id.
        id: String,
        /// What decides its weights.
        config: Box<RunConfig>,
    },
    /// A generation begins.
    Generation {
        /// Which.
        generation: u64,
        /// The names of its members, by rank.
        members: Vec<String>,
        /// In words.
        reason: String,
    },
    /// An epoch is done.
    Epoch(Box<EpochRecord>),
    /// Epochs from this one on are done again.
    Rewind {
        /// The first.
        epoch: u32,
    },
    /// States of generations up to this one are void.
    Void {
        /// The last of them.
        generation: u64,
    },
    /// A checkpoint is on disk.
    Checkpoint {
        /// Its name.
        name: String,
        /// Steps since the run began.
        steps_done: u64,
    },
    /// A checkpoint of another place is on disk, and the run goes on from it.
    Import(Box<Import>),
    /// The last import has its name, and what was void through it is gone.
    ImportDone,
    /// A failure was survived.
    Recovery(Recovery),
    /// Something happened, in words.
    Event(String),
}

/// A checkpoint that `--resume PATH` named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// Where it was, from the root of the file system.
    pub path: String,
    /// What it was.
    pub content: Content,
    /// Its name in the run's directory.
    pub name: String,
    /// The run whose checkpoints are void through it: those after it, or all if they are of another run than what goes
    /// on from it. `None`: there was no run before.
    pub instead_of: Option<String>,
}

/// What tells one checkpoint from another, wherever they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The run that wrote it.
    pub run_id: String,
    /// The next step.
    pub position: Position,
    /// Of the state dict.
    pub weights_sha256: String,
    /// Of the files.
    pub files: BTreeMap<String, FileDigest>,
}

impl From<&Manifest> for Content {
    fn from(manifest: &Manifest) -> Self {
        Self {
            run_id: manifest.run_id.clone(),
            position: manifest.position,
            weights_sha256: manifest.weights_sha256.clone(),
            files: manifest.files.clone(),
        }
    }
}
