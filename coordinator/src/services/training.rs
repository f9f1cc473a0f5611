//! Training: the run, for people and scripts.

use crate::{helm::HelmInput, services::over};
use proto::v1::{self, RunState, training_server::Training};
use std::{pin::Pin, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status};

/// Between two views of a watcher, unless it says otherwise.
const INTERVAL: Duration = Duration::from_millis(500);
/// And at the least.
const SHORTEST: Duration = Duration::from_millis(50);
/// And at the most.
const LONGEST: Duration = Duration::from_hours(1);

/// The RPCs with which people look at a run and stop it.
#[derive(Debug, Clone)]
pub struct TrainingService {
    view: watch::Receiver<v1::Run>,
    inputs: mpsc::Sender<HelmInput>,
}

impl TrainingService {
    /// Shows what `view` holds, and passes on to the helm what people ask for.
    #[must_use]
    pub fn new(view: watch::Receiver<v1::Run>, inputs: mpsc::Sender<HelmInput>) -> Self {
        Self { view, inputs }
    }
}

#[tonic::async_trait]
impl Training for TrainingService {
    async fn get_run(&self, _: Request<v1::GetRunRequest>) -> Result<Response<v1::Run>, Status> {
        Ok(Response::new(self.view.borrow().clone()))
    }

    type WatchRunStream = Pin<Box<dyn Stream<Item = Result<v1::Run, Status>> + Send>>;

    async fn watch_run(&self, request: Request<v1::WatchRunRequest>) -> Result<Response<Self::WatchRunStream>, Status> {
        let interval = match request.into_inner().interval_ms {
            0 => INTERVAL,
            millis => Duration::from_millis(u64::from(millis)).clamp(SHORTEST, LONGEST),
        };
        // One view at a time: a watcher that does not keep up sees fewer of them.
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(show(self.view.clone(), interval, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn stop_run(&self, request: Request<v1::StopRunRequest>) -> Result<Response<v1::StopRunResponse>, Status> {
        if let Some(how) = Some(self.view.borrow()).filter(|run| is_over(run)).map(|run| run.reason.clone()) {
            return Err(Status::failed_precondition(format!("the run is over already: {how}")));
        }
        let reason = match program::text::one_line(&request.into_inner().reason).as_str() {
            "" => "asked to stop".to_owned(),
            reason => format!("asked to stop: {reason}"),
        };
        self.inputs.send(HelmInput::Stop { reason }).await.map_err(|_| over())?;
        Ok(Response::new(v1::StopRunResponse {}))
    }
}

/// Sends the run as it stands and whenever it changes, at most every `interval`. The last view is sent at once.
async fn show(mut view: watch::Receiver<v1::Run>, interval: Duration, sender: mpsc::Sender<Result<v1::Run, Status>>) {
    // A receiver of its own: to look for the end must not mark as seen what was not sent.
    let mut end = view.clone();
    let mut last = false;
    loop {
        let run = view.borrow_and_update().clone();
        last |= is_over(&run);
        if sender.send(Ok(run)).await.is_err() || last {
            return;
        }
        tokio::select! {
            () = sender.closed() => return,
            // Without a helm nothing changes any more.
            changed = next(&mut view, interval) => last = changed.is_err(),
            _ = end.wait_for(is_over) => last = true,
        }
    }
}

/// Waits for a change, for `interval` at the least.
async fn next(view: &mut watch::Receiver<v1::Run>, interval: Duration) -> Result<(), watch::error::RecvError> {
    sleep(interval).await;
    view.changed().await
}

fn is_over(run: &v1::Run) -> bool {
    matches!(run.state(), RunState::Finished | RunState::Stopped | RunState::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;
    use tokio_stream::StreamExt;

    /// Longer than anything here takes, and shorter than the interval.
    const LIMIT: Duration = Duration::from_secs(20);

    fn run(state: RunState, step: u32) -> v1::Run {
        v1::Run { state: state.into(), step, ..v1::Run::default() }
    }

    /// The views of a watcher with the longest interval that can be asked for.
    async fn watcher(view: watch::Receiver<v1::Run>) -> impl Stream<Item = (RunState, u32)> {
        let service = TrainingService::new(view, mpsc::channel(1).0);
        let request = Request::new(v1::WatchRunRequest { interval_ms: u32::MAX });
        let views = service.watch_run(request).await.unwrap().into_inner();
        views.map(|run| run.map(|run| (run.state(), run.step)).unwrap())
    }

    #[tokio::test]
    async fn the_last_view_comes_at_once() {
        for state in [RunState::Finished, RunState::Stopped, RunState::Failed] {
            let (helm, view) = watch::channel(run(RunState::Training, 1));
            let mut views = watcher(view).await;
            assert_eq!(views.next().await, Some((RunState::Training, 1)));
            helm.send_replace(run(RunState::Training, 2));
            helm.send_replace(run(state, 3));
            assert_eq!(timeout(LIMIT, views.next()).await.unwrap(), Some((state, 3)));
            assert_eq!(timeout(LIMIT, views.next()).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn the_last_view_of_a_helm_that_died_comes_too() {
        let (helm, view) = watch::channel(run(RunState::Training, 1));
        let mut views = watcher(view).await;
        assert_eq!(views.next().await, Some((RunState::Training, 1)));
        helm.send_replace(run(RunState::Training, 2));
        drop(helm);
        assert_eq!(timeout(LIMIT, views.next()).await.unwrap(), Some((RunState::Training, 2)));
        assert_eq!(timeout(LIMIT, views.next()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_run_that_is_over_is_shown_once() {
        let (_helm, view) = watch::channel(run(RunState::Finished, 1));
        let mut views = watcher(view).await;
        assert_eq!(timeout(LIMIT, views.next()).await.unwrap(), Some((RunState::Finished, 1)));
        assert_eq!(timeout(LIMIT, views.next()).await.unwrap(), None);
    }
}
