//! What can happen to a run.

use serde::Serialize;
use serde_json::Value;
use steering::{EpochRecord, Recovery};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Fact {
    /// The run begins, or another run takes its place.
    Run {
        /// The run's id.
        id: String,
        /// What decides its weights, as in config.json.
        config: Value,
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
    /// A checkpoint is on disk.
    Checkpoint {
        /// Its name in the run's directory.
        name: String,
        /// Steps since the run began.
        steps_done: u64,
    },
    /// A failure was survived.
    Recovery(Recovery),
    /// Something that a person would want to know, in words.
    Event(String),
    /// Something that somebody has to be told at once.
    Alert(Alert),
}

/// Something that somebody has to be told at once, as it is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// What it is, such as `worker-lost`.
    pub kind: String,
    /// `firing` or `resolved`.
    pub status: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// The worker that it is about; `None` if it is about the run.
    pub worker: Option<String>,
    /// In words.
    pub text: String,
    /// What somebody can do; empty where there is nothing.
    pub advice: String,
}

/// An alert that was told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Told {
    /// Its number since the coordinator began, from 0.
    pub number: u64,
    /// When, in seconds since 1970.
    pub at: f64,
    /// What was told.
    #[serde(flatten)]
    pub alert: Alert,
}

/// A generation that was formed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Generation {
    /// Its number. Numbers only grow.
    pub generation: u64,
    /// The names of its members, by rank.
    pub members: Vec<String>,
    /// Why it was formed, in words.
    pub reason: String,
    /// When, in seconds since 1970.
    pub at: f64,
}

/// A checkpoint that was written. It may have been removed since.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Checkpoint {
    /// Its name in the run's directory.
    pub name: String,
    /// Steps since the run began.
    pub steps_done: u64,
    /// When, in seconds since 1970.
    pub at: f64,
}

/// Something that a person would want to know.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Its number in the run, from 0.
    pub number: u64,
    /// When, in seconds since 1970.
    pub at: f64,
    /// In words.
    pub text: String,
}
