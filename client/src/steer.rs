//! What a coordinator is asked to do with its run. Each request has a name, so that one that is repeated does nothing twice.

use crate::{
    connect::{ASK, Coordinator, with_deadline},
    error::Failure,
};
use proto::v1::{
    Checkpoint, PauseRunRequest, ResumeRunRequest, SaveCheckpointRequest, training_client::TrainingClient,
};
use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// For a checkpoint: longer than the coordinator takes at the most.
const SAVE: Duration = Duration::from_secs(70);

impl Coordinator {
    /// Has the run halt after the step in progress, until it is resumed.
    ///
    /// # Errors
    /// If it is over, or the coordinator does not answer.
    pub async fn pause(&self, reason: &str) -> Result<(), Failure> {
        let request = PauseRunRequest { reason: reason.to_owned(), request_id: request_id() };
        let mut client = TrainingClient::new(self.channel.clone());
        let paused = self.within(ASK, client.pause_run(with_deadline(request, ASK))).await;
        paused.map(|_| ()).map_err(|error| self.failure(&error))
    }

    /// Has the run go on.
    ///
    /// # Errors
    /// If it is over, or the coordinator does not answer.
    pub async fn resume(&self) -> Result<(), Failure> {
        let request = ResumeRunRequest { request_id: request_id() };
        let mut client = TrainingClient::new(self.channel.clone());
        let resumed = self.within(ASK, client.resume_run(with_deadline(request, ASK))).await;
        resumed.map(|_| ()).map_err(|error| self.failure(&error))
    }

    /// Has the newest state saved. Returns its checkpoint, which is on disk.
    ///
    /// # Errors
    /// If there is nothing to save, it cannot be saved, or the coordinator does not answer.
    pub async fn save(&self) -> Result<Checkpoint, Failure> {
        let request = SaveCheckpointRequest { request_id: request_id() };
        let mut client = TrainingClient::new(self.channel.clone());
        let saved = self.within(SAVE, client.save_checkpoint(with_deadline(request, SAVE))).await;
        let saved = saved.map_err(|error| self.failure(&error))?;
        Ok(saved.checkpoint.unwrap_or_default())
    }
}

/// A name that no other request has.
pub(crate) fn request_id() -> String {
    // The keys of the two are random.
    let part = |salt: u8| RandomState::new().hash_one((salt, std::process::id()));
    format!("{:016x}{:016x}", part(0), part(1))
}
