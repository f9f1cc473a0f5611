//! What goes up to the coordinator.

use crate::{
    engine::{EngineError, Event, Progress},
    session::Session,
    state_transfer,
};
use proto::v1::{self, cluster_client::ClusterClient, report::Report as Up};
use tonic::transport::Channel;

impl Session {
    /// A sign of life.
    pub(super) fn progress(&self) -> Up {
        let progress = self.joined.as_ref().map_or_else(Progress::default, |joined| *joined.engine.progress.borrow());
        let (pulse, waiting) = self.joined.as_ref().map_or((0, true), |joined| joined.engine.control.pulse());
        Up::Progress(v1::Progress {
            generation: progress.generation,
            position: Some(progress.position.into()),
            totals: Some(progress.totals.into()),
            images_per_second: progress.images_per_second,
            pulse,
            waiting,
            compute_seconds: progress.compute_seconds,
            wait_seconds: progress.wait_seconds,
        })
    }

    /// What goes up for an event of the engine, if anything does.
    pub(super) fn report(&self, client: &ClusterClient<Channel>, event: Event) -> Option<Up> {
        Some(match event {
            Event::StoreOpened { generation, port } => {
                Up::StoreOpened(v1::StoreOpened { generation, port: port.into() })
            }
            Event::Ready { generation, held, totals } => {
                Up::Ready(v1::Ready { generation, held: held.map(Into::into), totals: Some(totals.into()) })
            }
            Event::Digest { generation, position, digest } => {
                Up::StateDigest(v1::StateDigest { generation, position: Some(position.into()), digest })
            }
            Event::EpochDone { generation, outcome } => Up::EpochDone(v1::EpochDone {
                generation,
                epoch: outcome.position.epoch,
                totals: Some(outcome.totals.into()),
                seconds: outcome.seconds,
                images: outcome.images,
            }),
            Event::Halted { generation, outcome } => Up::Halted(v1::Halted {
                generation,
                position: Some(outcome.position.into()),
                totals: Some(outcome.totals.into()),
                seconds: outcome.seconds,
                images: outcome.images,
            }),
            Event::Evaluated { generation, epoch, results } => Up::Evaluated(v1::Evaluated {
                generation,
                epoch,
                chunks: results.into_iter().map(Into::into).collect(),
            }),
            Event::State { generation, state } => {
                let run_id = self.joined.as_ref().map_or_else(String::new, |joined| joined.run_id.clone());
                let mut client = client.clone();
                // Beside the stream, so that orders and signs of life do not wait for it.
                tokio::spawn(async move {
                    if let Err(status) = state_transfer::upload(&mut client, &run_id, generation, &state).await {
                        tracing::warn!("could not send the state: {}", status.message());
                    }
                });
                return None;
            }
            Event::Failed { generation, error } => {
                let diverged = matches!(error, EngineError::Diverged { .. });
                tracing::warn!(generation, "{error}");
                Up::Failed(v1::Failed { generation, message: error.to_string(), fatal: diverged, diverged })
            }
        })
    }
}
