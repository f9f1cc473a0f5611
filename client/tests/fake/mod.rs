//! A coordinator that says what a test wants.

use proto::v1::{
    GetRunRequest, ListCheckpointsRequest, ListCheckpointsResponse, ListEpochsRequest, ListEpochsResponse,
    ListEventsRequest, ListEventsResponse, ListGenerationsRequest, ListGenerationsResponse, ListModelsRequest,
    ListModelsResponse, ListRecoveriesRequest, ListRecoveriesResponse, PauseRunRequest, PauseRunResponse,
    PredictRequest, PredictResponse, PredictStreamResponse, ResumeRunRequest, ResumeRunResponse, Run, RunState,
    SaveCheckpointRequest, SaveCheckpointResponse, StopRunRequest, StopRunResponse, WatchRunRequest,
    inference_server::{Inference, InferenceServer},
    model_selector::Which,
    predict_request::Image,
    training_server::{Training, TrainingServer},
};
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, runtime::Runtime};
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// A coordinator on a port of its own, until it is dropped.
pub struct Fake {
    /// Where it is.
    pub url: String,
    views: Arc<Mutex<VecDeque<Vec<Run>>>>,
    _runtime: Runtime,
}

impl Fake {
    /// One whose streams give `views` and end. `GetRun` gives the first.
    pub fn start(views: Vec<Run>) -> Self {
        let views = Arc::new(Mutex::new(VecDeque::from([views])));
        let service = Service { views: views.clone(), was_busy: Arc::default(), is_newer: Arc::default() };
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(
            Server::builder()
                .add_service(TrainingServer::new(service.clone()))
                .add_service(InferenceServer::new(service))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self { url, views, _runtime: runtime }
    }

    /// The next stream gives `views` instead.
    #[allow(dead_code, reason = "of no use to some tests")]
    pub fn then(self, views: Vec<Run>) -> Self {
        self.views.lock().unwrap().push_back(views);
        self
    }
}

#[derive(Clone)]
struct Service {
    views: Arc<Mutex<VecDeque<Vec<Run>>>>,
    was_busy: Arc<AtomicBool>,
    /// Whether there is a newer checkpoint, and the one before is gone.
    is_newer: Arc<AtomicBool>,
}

#[tonic::async_trait]
impl Training for Service {
    async fn get_run(&self, _: Request<GetRunRequest>) -> Result<Response<Run>, Status> {
        Ok(Response::new(self.views.lock().unwrap()[0][0].clone()))
    }

    type WatchRunStream = Pin<Box<dyn Stream<Item = Result<Run, Status>> + Send>>;

    async fn watch_run(&self, _: Request<WatchRunRequest>) -> Result<Response<Self::WatchRunStream>, Status> {
        let mut all = self.views.lock().unwrap();
        let views = if all.len() > 1 { all.pop_front().unwrap() } else { all[0].clone() };
        Ok(Response::new(Box::pin(tokio_stream::iter(views.into_iter().map(Ok)))))
    }

    /// Only a run that is not over can be stopped.
    async fn stop_run(&self, request: Request<StopRunRequest>) -> Result<Response<StopRunResponse>, Status> {
        let mut views = self.views.lock().unwrap();
        let run = &mut views[0][0];
        if run.state() == RunState::Finished {
            return Err(Status::failed_precondition("the run is over already"));
        }
        run.set_state(RunState::Stopped);
        run.reason = request.into_inner().reason;
        Ok(Response::new(StopRunResponse {}))
    }

    /// The epochs of the first view, one on a page.
    async fn list_epochs(&self, request: Request<ListEpochsRequest>) -> Result<Response<ListEpochsResponse>, Status> {
        let token = request.into_inner().page_token;
        let place = if token.is_empty() { 0 } else { token.parse().unwrap() };
        let epochs = self.views.lock().unwrap()[0][0].epochs.clone();
        let next_page_token = if place + 1 < epochs.len() { (place + 1).to_string() } else { String::new() };
        let epochs = epochs.into_iter().skip(place).take(1).collect();
        Ok(Response::new(ListEpochsResponse { epochs, next_page_token }))
    }

    async fn list_checkpoints(
        &self,
        _: Request<ListCheckpointsRequest>,
    ) -> Result<Response<ListCheckpointsResponse>, Status> {
        Ok(Response::new(ListCheckpointsResponse::default()))
    }

    async fn list_generations(
        &self,
        _: Request<ListGenerationsRequest>,
    ) -> Result<Response<ListGenerationsResponse>, Status> {
        Ok(Response::new(ListGenerationsResponse::default()))
    }

    async fn list_recoveries(
        &self,
        _: Request<ListRecoveriesRequest>,
    ) -> Result<Response<ListRecoveriesResponse>, Status> {
        Ok(Response::new(ListRecoveriesResponse::default()))
    }

    async fn list_events(&self, _: Request<ListEventsRequest>) -> Result<Response<ListEventsResponse>, Status> {
        Ok(Response::new(ListEventsResponse::default()))
    }

    async fn pause_run(&self, _: Request<PauseRunRequest>) -> Result<Response<PauseRunResponse>, Status> {
        Err(Status::failed_precondition("the run is over already"))
    }

    async fn resume_run(&self, _: Request<ResumeRunRequest>) -> Result<Response<ResumeRunResponse>, Status> {
        Err(Status::failed_precondition("the run is over already"))
    }

    async fn save_checkpoint(
        &self,
        _: Request<SaveCheckpointRequest>,
    ) -> Result<Response<SaveCheckpointResponse>, Status> {
        Err(Status::failed_precondition("the run is over already"))
    }
}

#[tonic::async_trait]
impl Inference for Service {
    /// As a coordinator that knows of one image only: a cat for "ok MILLISECONDS", a dog for raw pixels. "busy" works the
    /// second time, "early" never. Before "newer" is answered, a newer checkpoint comes, and the one before is deleted.
    async fn predict(&self, request: Request<PredictRequest>) -> Result<Response<PredictResponse>, Status> {
        let PredictRequest { image, model, .. } = request.into_inner();
        if matches!(&image, Some(Image::File(file)) if file == b"newer") {
            self.is_newer.store(true, Ordering::SeqCst);
        }
        let newest = if self.is_newer.load(Ordering::SeqCst) { "step-000011" } else { "step-000010" };
        if let Some(Which::Checkpoint(name)) = model.and_then(|model| model.which)
            && name != newest
        {
            return Err(Status::not_found(format!("there is no checkpoint {name:?}")));
        }
        let class_index = match image {
            Some(Image::File(file)) if file == b"newer" => 1,
            Some(Image::File(file)) if file.len() == 3072 => 1,
            Some(Image::File(file)) if file.starts_with(b"ok ") => {
                let millis = std::str::from_utf8(&file[3..]).unwrap().parse().unwrap();
                tokio::time::sleep(Duration::from_millis(millis)).await;
                0
            }
            Some(Image::File(file)) if file == b"busy" => {
                if !self.was_busy.swap(true, Ordering::SeqCst) {
                    return Err(Status::resource_exhausted("too many requests wait"));
                }
                0
            }
            Some(Image::File(file)) if file == b"early" => {
                return Err(Status::unavailable("there is no checkpoint yet"));
            }
            _ => return Err(Status::invalid_argument("neither PNG nor JPEG")),
        };
        let mut probabilities = vec![0.25, 0.25];
        probabilities[class_index] = 0.75;
        Ok(Response::new(PredictResponse {
            class: ["cat", "dog"][class_index].to_owned(),
            class_index: class_index as u32,
            probabilities,
            classes: vec!["cat".to_owned(), "dog".to_owned()],
            checkpoint: newest.to_owned(),
            checkpoint_accuracy: Some(0.812),
            ..PredictResponse::default()
        }))
    }

    type PredictStreamStream = tokio_stream::Empty<Result<PredictStreamResponse, Status>>;

    async fn predict_stream(
        &self,
        _: Request<Streaming<PredictRequest>>,
    ) -> Result<Response<Self::PredictStreamStream>, Status> {
        Err(Status::unimplemented("one request at a time, as before there were streams"))
    }

    async fn list_models(&self, _: Request<ListModelsRequest>) -> Result<Response<ListModelsResponse>, Status> {
        Err(Status::unimplemented("nothing is listed, as before there were lists"))
    }
}
