//! States on their way to the coordinator, one at a time, beside the stream.

use crate::{
    session::{Joined, connect::Bulk},
    state_transfer,
};
use engine::Outgoing;
use proto::v1::{self, report::Report as Up};
use std::future::pending;
use tokio::task::JoinHandle;

/// The upload under way. It is given up when dropped: with the stream, nobody waits for it any more.
#[derive(Debug, Default)]
pub(super) struct Uploads(Option<Upload>);

#[derive(Debug)]
struct Upload {
    /// Of the order that it is for.
    ticket: u64,
    task: JoinHandle<Option<Up>>,
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Uploads {
    /// Sends what the engine puts down for it, and returns what there is to say when that fails. A later order
    /// outweighs the upload under way: nobody waits for that any more, and it may be slow.
    pub async fn next(&mut self, bulk: &Bulk, joined: Option<&Joined>) -> Up {
        loop {
            if let Some(Upload { ticket, task }) = &mut self.0 {
                let outweighed = async {
                    match joined {
                        Some(joined) => joined.engine.control.outgoing.other_than(*ticket).await,
                        None => pending().await,
                    }
                };
                let report = tokio::select! {
                    report = task => report,
                    () = outweighed => Ok(None),
                };
                self.0 = None;
                // A task only fails if it panics: then the coordinator loses patience.
                if let Ok(Some(report)) = report {
                    return report;
                }
                continue;
            }
            let Some(Joined { run_id, engine, .. }) = joined else { return pending().await };
            let Outgoing { ticket, state } = engine.control.outgoing.next().await;
            let (mut client, run_id) = (bulk.client(), run_id.clone());
            let task = tokio::spawn(async move {
                let status = state_transfer::upload(&mut client, &run_id, ticket, &state).await.err()?;
                tracing::warn!("could not send the state: {}", status.message());
                Some(Up::NotUploaded(v1::NotUploaded { ticket, cause: status.message().to_owned() }))
            });
            self.0 = Some(Upload { ticket, task });
        }
    }
}
