//! Training: the run, for people and scripts.

mod crowd;
mod lists;
mod pages;
mod requests;

use crate::{
    helm::{Answer, HelmInput},
    services::{over, too_late},
};
use checkpoint::Store;
use chronicle::Chronicle;
use crowd::{Crowd, Watcher};
use proto::v1::{self, training_server::Training};
use requests::Requests;
use std::{pin::Pin, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status};

/// Between two views of a watcher, unless it says otherwise.
const INTERVAL: Duration = Duration::from_millis(500);
/// And at the least.
const SHORTEST: Duration = Duration::from_millis(50);
/// And at the most.
const LONGEST: Duration = Duration::from_hours(1);

/// How long the helm may take for a word.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a checkpoint may take that was asked for.
pub const SAVED: Duration = Duration::from_mins(1);

/// The RPCs with which people look at a run and steer it.
#[derive(Debug, Clone)]
pub struct TrainingService {
    view: watch::Receiver<v1::Run>,
    chronicle: watch::Receiver<Chronicle>,
    store: Store,
    inputs: mpsc::Sender<HelmInput>,
    stops: Requests<()>,
    pauses: Requests<()>,
    resumes: Requests<()>,
    saves: Requests<v1::Checkpoint>,
    crowd: Crowd,
}

impl TrainingService {
    /// Shows what `view`, `chronicle` and `store` hold, and passes on to the helm what people ask for.
    #[must_use]
    pub fn new(
        view: watch::Receiver<v1::Run>,
        chronicle: watch::Receiver<Chronicle>,
        store: Store,
        inputs: mpsc::Sender<HelmInput>,
    ) -> Self {
        let (stops, pauses, resumes, saves) =
            (Requests::default(), Requests::default(), Requests::default(), Requests::default());
        Self { view, chronicle, store, inputs, stops, pauses, resumes, saves, crowd: Crowd::new() }
    }

    /// That the run is not over.
    fn check_goes_on(&self) -> Result<(), Status> {
        let run = self.view.borrow();
        if is_over(&run) { Err(too_late(&format!("the run is over already: {}", run.reason))) } else { Ok(()) }
    }

    /// What the helm answers within `limit`.
    async fn ask<T>(&self, input: impl FnOnce(Answer<T>) -> HelmInput, limit: Duration) -> Result<T, Status> {
        self.check_goes_on()?;
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.inputs.send(input(answer)).await.map_err(|_| over())?;
            answered.await.map_err(|_| over())?.map_err(Status::from)
        };
        timeout(limit, asked).await.unwrap_or_else(|_| {
            Err(Status::deadline_exceeded(format!(
                "it is not done within {} s; it still may be: look at the run",
                limit.as_secs()
            )))
        })
    }

    fn steps(&self) -> u32 {
        self.view.borrow().steps_per_epoch
    }

    /// The checkpoint `name`, as the disk has it.
    async fn checkpoint(&self, name: &str) -> Result<v1::Checkpoint, Status> {
        let stored = lists::stored(&self.store).await?;
        // Never both at a time: who waits to write one would hold up the other.
        let steps = self.steps();
        let all = view::records::checkpoints(&self.chronicle.borrow(), &stored, steps);
        let gone = || Status::unavailable(format!("checkpoint {name} was written, and is not on disk any more"));
        all.into_iter().find(|checkpoint| checkpoint.name == name).ok_or_else(gone)
    }
}

#[tonic::async_trait]
impl Training for TrainingService {
    async fn get_run(&self, _: Request<v1::GetRunRequest>) -> Result<Response<v1::Run>, Status> {
        let run = self.view.borrow().clone();
        Ok(Response::new(v1::Run { events: self.chronicle.borrow().next_event(), ..run }))
    }

    type WatchRunStream = Pin<Box<dyn Stream<Item = Result<v1::Run, Status>> + Send>>;

    async fn watch_run(&self, request: Request<v1::WatchRunRequest>) -> Result<Response<Self::WatchRunStream>, Status> {
        let interval = match request.into_inner().interval_ms {
            0 => INTERVAL,
            millis => Duration::from_millis(u64::from(millis)).clamp(SHORTEST, LONGEST),
        };
        // One view at a time: a watcher that does not keep up sees fewer of them.
        let (sender, receiver) = mpsc::channel(1);
        let end = self.crowd.end(&self.view);
        let shown = (self.view.clone(), self.chronicle.clone());
        tokio::spawn(show(shown, end, (self.crowd.join(), interval), sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn stop_run(&self, request: Request<v1::StopRunRequest>) -> Result<Response<v1::StopRunResponse>, Status> {
        let v1::StopRunRequest { reason, request_id } = request.into_inner();
        let (service, reason) = (self.clone(), asked("to stop", &reason));
        let stop = async move {
            service.check_goes_on()?;
            service.inputs.send(HelmInput::Stop { reason }).await.map_err(|_| over())
        };
        self.stops.once(request_id, stop).await?;
        Ok(Response::new(v1::StopRunResponse {}))
    }

    async fn pause_run(&self, request: Request<v1::PauseRunRequest>) -> Result<Response<v1::PauseRunResponse>, Status> {
        let v1::PauseRunRequest { reason, request_id } = request.into_inner();
        let (service, reason) = (self.clone(), asked("to pause", &reason));
        let pause = async move { service.ask(|answer| HelmInput::Pause { reason, answer }, ANSWER).await };
        self.pauses.once(request_id, pause).await?;
        Ok(Response::new(v1::PauseRunResponse {}))
    }

    async fn resume_run(
        &self,
        request: Request<v1::ResumeRunRequest>,
    ) -> Result<Response<v1::ResumeRunResponse>, Status> {
        let service = self.clone();
        let resume = async move { service.ask(|answer| HelmInput::Resume { answer }, ANSWER).await };
        self.resumes.once(request.into_inner().request_id, resume).await?;
        Ok(Response::new(v1::ResumeRunResponse {}))
    }

    async fn save_checkpoint(
        &self,
        request: Request<v1::SaveCheckpointRequest>,
    ) -> Result<Response<v1::SaveCheckpointResponse>, Status> {
        let service = self.clone();
        let save = async move {
            let name = service.ask(|answer| HelmInput::Save { answer }, SAVED).await?;
            service.checkpoint(&name).await
        };
        let checkpoint = self.saves.once(request.into_inner().request_id, save).await?;
        Ok(Response::new(v1::SaveCheckpointResponse { checkpoint: Some(checkpoint) }))
    }

    async fn list_epochs(
        &self,
        request: Request<v1::ListEpochsRequest>,
    ) -> Result<Response<v1::ListEpochsResponse>, Status> {
        lists::epochs(&self.chronicle.borrow(), request.get_ref()).map(Response::new)
    }

    async fn list_checkpoints(
        &self,
        request: Request<v1::ListCheckpointsRequest>,
    ) -> Result<Response<v1::ListCheckpointsResponse>, Status> {
        let stored = lists::stored(&self.store).await?;
        let steps = self.steps();
        lists::checkpoints((&self.chronicle.borrow(), &stored, steps), request.get_ref()).map(Response::new)
    }

    async fn list_generations(
        &self,
        request: Request<v1::ListGenerationsRequest>,
    ) -> Result<Response<v1::ListGenerationsResponse>, Status> {
        lists::generations(&self.chronicle.borrow(), request.get_ref()).map(Response::new)
    }

    async fn list_recoveries(
        &self,
        request: Request<v1::ListRecoveriesRequest>,
    ) -> Result<Response<v1::ListRecoveriesResponse>, Status> {
        lists::recoveries(&self.chronicle.borrow(), request.get_ref()).map(Response::new)
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        lists::events(&self.chronicle.borrow(), request.get_ref()).map(Response::new)
    }
}

/// `what` somebody asked for, and why, if they say so.
fn asked(what: &str, reason: &str) -> String {
    match program::text::one_line(reason).as_str() {
        "" => format!("asked {what}"),
        reason => format!("asked {what}: {reason}"),
    }
}

/// Sends the run as it stands and whenever it or its events change, at most every interval, and less often to many. The last
/// view is sent at once, when `end` becomes true.
async fn show(
    (mut view, mut chronicle): (watch::Receiver<v1::Run>, watch::Receiver<Chronicle>),
    mut end: watch::Receiver<bool>,
    (watcher, interval): (Watcher, Duration),
    sender: mpsc::Sender<Result<v1::Run, Status>>,
) {
    let mut last = false;
    loop {
        let run = view.borrow_and_update().clone();
        let run = v1::Run { events: chronicle.borrow_and_update().next_event(), ..run };
        last |= is_over(&run);
        if sender.send(Ok(run)).await.is_err() || last {
            return;
        }
        let next = async {
            sleep_until(watcher.next(Instant::now(), interval)).await;
            tokio::select! {
                // Without a helm nothing changes any more.
                changed = view.changed() => changed.is_err(),
                Ok(()) = chronicle.changed() => false,
            }
        };
        tokio::select! {
            () = sender.closed() => return,
            over = next => last = over,
            _ = end.wait_for(|over| *over) => last = true,
        }
    }
}

fn is_over(run: &v1::Run) -> bool {
    view::is_over(run.state())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::v1::RunState;
    use tokio::time::timeout;
    use tokio_stream::StreamExt;

    /// Longer than anything here takes, and shorter than the interval.
    const LIMIT: Duration = Duration::from_secs(20);

    fn run(state: RunState, step: u32) -> v1::Run {
        v1::Run { state: state.into(), step, ..v1::Run::default() }
    }

    /// One whose helm takes nothing.
    fn service(view: watch::Receiver<v1::Run>, chronicle: Chronicle) -> TrainingService {
        let chronicle = watch::channel(chronicle).1;
        TrainingService::new(view, chronicle, Store::new("/nowhere"), mpsc::channel(1).0)
    }

    /// The views of a watcher with the longest interval that can be asked for.
    async fn watcher(view: watch::Receiver<v1::Run>) -> impl Stream<Item = (RunState, u32)> {
        let service = service(view, Chronicle::default());
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
    async fn an_event_alone_is_told_too() {
        let (_helm, view) = watch::channel(run(RunState::Waiting, 0));
        let (recorder, chronicle) = watch::channel(Chronicle::default());
        let service = TrainingService::new(view, chronicle, Store::new("/nowhere"), mpsc::channel(1).0);
        let request = Request::new(v1::WatchRunRequest { interval_ms: 1 });
        let mut views = service.watch_run(request).await.unwrap().into_inner();
        assert_eq!(timeout(LIMIT, views.next()).await.unwrap().unwrap().unwrap().events, 0);
        recorder.send_modify(|chronicle| chronicle.add(1.0, chronicle::Fact::Event("the disk is full".to_owned())));
        assert_eq!(timeout(LIMIT, views.next()).await.unwrap().unwrap().unwrap().events, 1);
        let run = service.get_run(Request::new(v1::GetRunRequest {})).await.unwrap().into_inner();
        assert_eq!(run.events, 1);
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

    #[tokio::test]
    async fn events_are_filtered_and_come_in_either_order() {
        let mut chronicle = Chronicle::default();
        for number in 0..250 {
            let text = format!("{} {number}", if number % 2 == 0 { "Worker" } else { "checkpoint" });
            chronicle.add(f64::from(number), chronicle::Fact::Event(text));
        }
        let service = service(watch::channel(run(RunState::Training, 1)).1, chronicle);
        let list = async |request: v1::ListEventsRequest| {
            service.list_events(Request::new(request)).await.map(Response::into_inner)
        };
        let (mut numbers, mut pages) = (Vec::new(), 0);
        let mut request = v1::ListEventsRequest {
            filter: "wORKER".to_owned(),
            newest_first: true,
            from_number: 10,
            ..v1::ListEventsRequest::default()
        };
        loop {
            let page = list(request.clone()).await.unwrap();
            numbers.extend(page.events.iter().map(|event| event.number));
            pages += 1;
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        let expected: Vec<u64> = (10..250).rev().filter(|number| number % 2 == 0).collect();
        assert_eq!((numbers, pages), (expected, 2));
        // A token of one order is none of the other.
        request.newest_first = false;
        let error = list(request).await.unwrap_err();
        assert_eq!(error.code(), tonic::Code::InvalidArgument);
        let details = tonic_types::StatusExt::get_error_details(&error);
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "page_token");
    }

    #[tokio::test]
    async fn what_is_asked_of_a_run_that_is_over_comes_too_late() {
        let service = service(watch::channel(run(RunState::Finished, 1)).1, Chronicle::default());
        let pause = service.pause_run(Request::new(v1::PauseRunRequest::default())).await.unwrap_err();
        let stop = service.stop_run(Request::new(v1::StopRunRequest::default())).await.unwrap_err();
        let save = service.save_checkpoint(Request::new(v1::SaveCheckpointRequest::default())).await.unwrap_err();
        for error in [pause, stop, save] {
            assert_eq!(error.code(), tonic::Code::FailedPrecondition, "{error}");
        }
    }
}
