//! Cluster: workers attach, report and are told what to do; data and states go beside.

use crate::{helm::Input, services::over, strangers};
use checkpoint::Store;
use proto::{
    Assembly, CHUNK_BYTES, state_chunks,
    v1::{self, cluster_server::Cluster, report::Report as Up, state_chunk::Chunk},
};
use std::{path::PathBuf, pin::Pin, time::Duration};
use tokio::{
    io::AsyncReadExt,
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::timeout,
};
use tokio_stream::{Stream, iter, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

/// Chunks under way to one worker at most.
const CHUNKS: usize = 4;

/// The service.
#[derive(Debug, Clone)]
pub struct ClusterService {
    inputs: mpsc::Sender<Input>,
    store: Store,
    run_id: String,
    data_dir: PathBuf,
    /// How long a new stream may take to say hello.
    hello: Duration,
}

impl ClusterService {
    /// Passes what workers say to the helm.
    #[must_use]
    pub fn new(inputs: mpsc::Sender<Input>, store: Store, run_id: String, data_dir: PathBuf, hello: Duration) -> Self {
        Self { inputs, store, run_id, data_dir, hello }
    }
}

type Chunks<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Cluster for ClusterService {
    type AttachStream = ReceiverStream<Result<v1::Order, Status>>;

    async fn attach(&self, request: Request<Streaming<v1::Report>>) -> Result<Response<Self::AttachStream>, Status> {
        let mut reports = request.into_inner();
        let first =
            timeout(self.hello, reports.message()).await.map_err(|_| Status::deadline_exceeded("no hello came"))??;
        let Some(v1::Report { report: Some(Up::Hello(hello)) }) = first else {
            return Err(Status::invalid_argument("the first report has to be a hello"));
        };
        let (answer, answered) = oneshot::channel();
        let hello = strangers::hello(&hello);
        self.inputs.send(Input::Attach { hello, answer }).await.map_err(|_| over())?;
        let attached = answered.await.map_err(|_| over())??;
        let (worker, inputs) = (attached.worker, self.inputs.clone());
        tokio::spawn(async move {
            let cause = loop {
                match reports.message().await {
                    Ok(Some(report)) => {
                        let report = strangers::report(report);
                        if inputs.send(Input::Report { worker, report }).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => break "it closed its stream".to_owned(),
                    Err(status) => break format!("its stream broke ({})", status.message()),
                }
            };
            // If the helm is gone the run is over.
            let _ = inputs.send(Input::Detached { worker, cause }).await;
        });
        Ok(Response::new(ReceiverStream::new(attached.orders)))
    }

    type GetDatasetStream = Chunks<v1::DatasetChunk>;

    async fn get_dataset(
        &self,
        request: Request<v1::GetDatasetRequest>,
    ) -> Result<Response<Self::GetDatasetStream>, Status> {
        let name = request.into_inner().file;
        // Only what the data set consists of: a name is no way to any other file.
        let known = cifar::Split::ALL.iter().flat_map(|split| split.files()).find(|file| file.name == name);
        let Some(file) = known else {
            return Err(Status::not_found(format!("the data set has no file {name:?}")));
        };
        let path = cifar::files_in(&self.data_dir).join(file.name);
        let cannot_read = move |error: std::io::Error| Status::data_loss(format!("cannot read {name}: {error}"));
        let mut file = tokio::fs::File::open(path).await.map_err(&cannot_read)?;
        let (sender, receiver) = mpsc::channel(CHUNKS);
        tokio::spawn(async move {
            loop {
                let mut data = vec![0; CHUNK_BYTES];
                let chunk = match file.read(&mut data).await {
                    Ok(0) => return,
                    Ok(read) => {
                        data.truncate(read);
                        Ok(v1::DatasetChunk { data })
                    }
                    Err(error) => Err(cannot_read(error)),
                };
                if sender.send(chunk).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    type GetStateStream = Chunks<v1::StateChunk>;

    async fn get_state(&self, request: Request<v1::GetStateRequest>) -> Result<Response<Self::GetStateStream>, Status> {
        let name = request.into_inner().checkpoint;
        let path = self.store.path(&name);
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(Status::invalid_argument(format!("{name:?} is no name of a checkpoint")));
        }
        let (_, state) = spawn_blocking(move || checkpoint::read(&path))
            .await
            .map_err(|error| Status::internal(error.to_string()))?
            .map_err(|error| Status::data_loss(error.to_string()))?;
        let chunks = state_chunks(&self.run_id, 0, &state);
        Ok(Response::new(Box::pin(iter(chunks.into_iter().map(Ok)))))
    }

    async fn put_state(
        &self,
        request: Request<Streaming<v1::StateChunk>>,
    ) -> Result<Response<v1::PutStateResponse>, Status> {
        let mut chunks = request.into_inner();
        let Some(v1::StateChunk { chunk: Some(Chunk::Header(header)) }) = chunks.message().await? else {
            return Err(Status::invalid_argument("a state begins with its header"));
        };
        if header.run_id != self.run_id {
            return Err(Status::failed_precondition(format!("this is run {}", self.run_id)));
        }
        let generation = header.generation;
        let mut assembly = Assembly::new(&header);
        while let Some(message) = chunks.message().await? {
            let Some(Chunk::Data(data)) = message.chunk else {
                return Err(Status::invalid_argument("a state has one header"));
            };
            assembly.push(&data);
        }
        let state = assembly.finish().map_err(|error| Status::invalid_argument(error.to_string()))?;
        let input = Input::State { generation, state: Box::new(state) };
        self.inputs.send(input).await.map_err(|_| over())?;
        Ok(Response::new(v1::PutStateResponse {}))
    }
}
