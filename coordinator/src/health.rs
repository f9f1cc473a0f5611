//! gRPC health: whether the coordinator lives, and whether its run has what it needs.
//!
//! - `""`, and the names of the services: it lives, and answers.
//! - [`READY`]: it lives, and its run does not wait for workers and has not failed.

use crate::services::{InferenceService, TrainingService};
use proto::v1::{Run, RunState, inference_server::InferenceServer, training_server::TrainingServer};
use tokio::sync::watch;
use tonic_health::{ServingStatus, server::HealthReporter};

/// The name by which readiness is asked for.
pub const READY: &str = "ready";

/// Has `reporter` say what follows from `view`, at once and whenever it changes.
pub async fn report(reporter: HealthReporter, mut view: watch::Receiver<Run>) {
    reporter.set_serving::<TrainingServer<TrainingService>>().await;
    reporter.set_serving::<InferenceServer<InferenceService>>().await;
    let mut shown = status(view.borrow_and_update().state());
    reporter.set_service_status(READY, shown).await;
    tokio::spawn(async move {
        // Without a helm nothing changes any more.
        while view.changed().await.is_ok() {
            let now = status(view.borrow_and_update().state());
            if now != shown {
                reporter.set_service_status(READY, now).await;
                shown = now;
            }
        }
    });
}

fn status(state: RunState) -> ServingStatus {
    match state {
        RunState::Unspecified | RunState::Waiting | RunState::Failed => ServingStatus::NotServing,
        _ => ServingStatus::Serving,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::{Request, Response};
    use tonic_health::{
        pb::{HealthCheckRequest, health_server::Health},
        server::HealthService,
    };

    /// What the service says of `name`, once that is `expected`.
    async fn says(health: &impl Health, name: &str, expected: ServingStatus) {
        for _ in 0..1000 {
            let request = Request::new(HealthCheckRequest { service: name.to_owned() });
            let said = health.check(request).await.map(Response::into_inner).unwrap();
            if said.status == expected as i32 {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("{name:?} is never {expected}");
    }

    #[tokio::test]
    async fn a_run_that_waits_for_workers_lives_and_is_not_ready() {
        let run = |state: RunState| Run { state: state.into(), ..Run::default() };
        let (sender, view) = watch::channel(run(RunState::Waiting));
        let reporter = HealthReporter::new();
        let health = HealthService::from_health_reporter(reporter.clone());
        report(reporter, view).await;
        says(&health, "", ServingStatus::Serving).await;
        says(&health, READY, ServingStatus::NotServing).await;
        sender.send_replace(run(RunState::Training));
        says(&health, READY, ServingStatus::Serving).await;
        sender.send_replace(run(RunState::Waiting));
        says(&health, READY, ServingStatus::NotServing).await;
        says(&health, "", ServingStatus::Serving).await;
    }
}
