//! The entries of a journal.

use checkpoint::{FileDigest, Manifest};
use chronicle::Fact;
use config::RunConfig;
use plan::Position;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use steering::{EpochRecord, Recovery};

/// An entry of the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// The run begins, or another run takes its place.
    Run {
        /// The run's id.
        id: String,
        /// What decides its weights.
        config: Box<RunConfig>,
    },
    /// A generation begins.
    Generation {
        /// Its number.
        generation: u64,
        /// The names of its members, by rank.
        members: Vec<String>,
        /// Why it was formed, in words.
        reason: String,
    },
    /// An epoch is done.
    Epoch(Box<EpochRecord>),
    /// Epochs from this one on are done again.
    Rewind {
        /// The first of them, from 0.
        epoch: u32,
    },
    /// States of generations up to this one are void.
    Void {
        /// The last of these generations.
        generation: u64,
    },
    /// A checkpoint is on disk.
    Checkpoint {
        /// Its name in the run's directory.
        name: String,
        /// Steps since the run began.
        steps_done: u64,
    },
    /// A checkpoint from elsewhere is on disk, and the run goes on from it.
    Import(Box<Import>),
    /// The last import has its name, and what it made void is gone.
    ImportDone,
    /// A failure was survived.
    Recovery(Recovery),
    /// Something happened, in words.
    Event(String),
}

impl Entry {
    /// What it tells those who look at the run; `None` if that is nothing.
    #[must_use]
    pub fn fact(&self) -> Option<Fact> {
        Some(match self.clone() {
            Self::Run { id, config } => Fact::Run { id, config: config.values() },
            Self::Generation { generation, members, reason } => Fact::Generation { generation, members, reason },
            Self::Epoch(record) => Fact::Epoch(record),
            Self::Rewind { epoch } => Fact::Rewind { epoch },
            Self::Checkpoint { name, steps_done } => Fact::Checkpoint { name, steps_done },
            Self::Recovery(recovery) => Fact::Recovery(recovery),
            Self::Event(text) => Fact::Event(text),
            Self::Void { .. } | Self::Import(_) | Self::ImportDone => return None,
        })
    }
}

/// A checkpoint that `--resume PATH` named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// Where it was: an absolute path.
    pub path: String,
    /// What it held.
    pub content: Content,
    /// Its name in the run's directory.
    pub name: String,
    /// The run whose checkpoints it makes void. If the run stays the same these are the later ones, else all of them.
    /// `None` if there was no run before.
    pub instead_of: Option<String>,
}

/// What tells one checkpoint from another, wherever they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The run that wrote it.
    pub run_id: String,
    /// The next step to be done.
    pub position: Position,
    /// The sha256 of the state dict.
    pub weights_sha256: String,
    /// The digest of each file, by name.
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
