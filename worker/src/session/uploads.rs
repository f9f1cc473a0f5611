//! States on their way to the coordinator, one at a time, beside the stream.

use crate::{engine::Outgoing, session::Joined, state_transfer};
use proto::v1::{self, cluster_client::ClusterClient, report::Report as Up};
use std::future::pending;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// The upload under way. It is given up when dropped: with the stream, nobody waits for it any more.
#[derive(Debug, Default)]
pub(super) struct Uploads(Option<JoinHandle<Option<Up>>>);

impl Drop for Uploads {
    fn drop(&mut self) {
        if let Some(upload) = &self.0 {
            upload.abort();
        }
    }
}

impl Uploads {
    /// Sends what the engine puts down for it, and returns what there is to say when that fails.
    pub async fn next(&mut self, client: &ClusterClient<Channel>, joined: Option<&Joined>) -> Up {
        loop {
            if let Some(upload) = &mut self.0 {
                let report = upload.await;
                self.0 = None;
                // A task only fails if it panics: then the coordinator loses patience.
                if let Ok(Some(report)) = report {
                    return report;
                }
                continue;
            }
            let Some(Joined { run_id, engine, .. }) = joined else { return pending().await };
            let Outgoing { ticket, state } = engine.control.outgoing.next().await;
            let (mut client, run_id) = (client.clone(), run_id.clone());
            self.0 = Some(tokio::spawn(async move {
                let status = state_transfer::upload(&mut client, &run_id, ticket, &state).await.err()?;
                tracing::warn!("could not send the state: {}", status.message());
                Some(Up::NotUploaded(v1::NotUploaded { ticket, cause: status.message().to_owned() }))
            }));
        }
    }
}
