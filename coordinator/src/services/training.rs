//! Training: the run, for people and scripts.

use crate::{helm::Input, services::over};
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

/// The service.
#[derive(Debug, Clone)]
pub struct TrainingService {
    view: watch::Receiver<v1::Run>,
    inputs: mpsc::Sender<Input>,
}

impl TrainingService {
    /// Shows what `view` holds, and passes on to the helm what people ask for.
    #[must_use]
    pub fn new(view: watch::Receiver<v1::Run>, inputs: mpsc::Sender<Input>) -> Self {
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
            millis => Duration::from_millis(u64::from(millis)).max(SHORTEST),
        };
        let mut view = self.view.clone();
        // One view at a time: a watcher that does not keep up sees fewer of them.
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let run = view.borrow_and_update().clone();
                let over = is_over(&run);
                if sender.send(Ok(run)).await.is_err() || over {
                    return;
                }
                tokio::select! {
                    () = sender.closed() => return,
                    () = sleep(interval) => {}
                }
                if view.changed().await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn stop_run(&self, request: Request<v1::StopRunRequest>) -> Result<Response<v1::StopRunResponse>, Status> {
        if is_over(&self.view.borrow()) {
            return Err(Status::failed_precondition("the run is over already"));
        }
        let reason = match program::text::one_line(&request.into_inner().reason).as_str() {
            "" => "asked to stop".to_owned(),
            reason => format!("asked to stop: {reason}"),
        };
        self.inputs.send(Input::Stop { reason }).await.map_err(|_| over())?;
        Ok(Response::new(v1::StopRunResponse {}))
    }
}

fn is_over(run: &v1::Run) -> bool {
    matches!(run.state(), RunState::Finished | RunState::Stopped | RunState::Failed)
}
