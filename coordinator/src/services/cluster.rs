//! Cluster: workers attach, report and are told what to do; data and states go beside.

use crate::{
    helm::{Expected, HelmInput, Orders, Tickets, orders},
    services::over,
    strangers,
};
use checkpoint::Store;
use data::DatasetSpec;
use plan::Timeouts;
use program::text;
use proto::{
    Assembly, CHUNK_BYTES, state_chunks,
    v1::{self, cluster_server::Cluster, order::Order as Down, report::Report as Up, state_chunk::Chunk},
};
use state::{Slots, State};
use std::{
    fs,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::{JoinError, spawn_blocking},
    time::timeout,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

/// Between two words to the helm that a state is coming.
const MOVES: Duration = Duration::from_millis(100);

/// Signs of life that come more often than so many in the time of one are not passed on.
const HASTE: u32 = 8;

/// How often in a row the disk may fail to give a checkpoint before an older one counts instead. Between two of these is the
/// pause of a worker that is set aside, which grows.
const READS: u32 = 4;

/// States that may be on their way to workers at once. A generation needs one.
const STATES: usize = 4;

/// For a state of no size, and bytes a second of a line that is still worth waiting for.
const LEAST: Duration = Duration::from_mins(1);
const SLOWEST: u64 = 50_000;

/// What the service is made of.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Where checkpoints are.
    pub store: Store,
    /// The id of the run, which workers get in their welcome.
    pub run_id: String,
    /// The sizes of a state.
    pub slots: Slots,
    /// The data set.
    pub dataset: Arc<DatasetSpec>,
    /// Where its files are.
    pub data_dir: PathBuf,
    /// How long things are waited for.
    pub timeouts: Timeouts,
    /// Which states may be sent.
    pub tickets: Tickets,
}

/// The RPCs of workers: the stream of orders and reports, states, and files of the data set.
#[derive(Debug, Clone)]
pub struct ClusterService {
    inputs: mpsc::Sender<HelmInput>,
    options: ClusterOptions,
    /// Places for states on their way to workers: each is in memory as a whole.
    states: Arc<Semaphore>,
    unread: Unread,
}

impl ClusterService {
    /// Passes what workers say to the helm.
    #[must_use]
    pub fn new(inputs: mpsc::Sender<HelmInput>, options: ClusterOptions) -> Self {
        Self { inputs, options, states: Arc::new(Semaphore::new(STATES)), unread: Unread::default() }
    }

    /// Sends a state. Who does not take the next piece of it for long gets no more.
    async fn send(
        &self,
        state: State,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Response<Chunks<v1::StateChunk>>, Status> {
        let (run_id, patience) = (self.options.run_id.clone(), self.options.timeouts.transfer);
        let chunks = spawn_blocking(move || state_chunks(&run_id, 0, &state))
            .await
            .map_err(|error| Status::internal(error.to_string()))?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            // The place is free when the last piece is taken, or nobody takes any more.
            let _place = place;
            for chunk in chunks {
                if !matches!(timeout(patience, sender.send(Ok(chunk))).await, Ok(Ok(()))) {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    /// Takes in a state that is sent for `expected`.
    async fn receive(
        &self,
        header: &v1::StateHeader,
        mut chunks: Streaming<v1::StateChunk>,
        expected: Expected,
    ) -> Result<(State, u64), Status> {
        let malformed = |malformed: proto::Malformed| Status::invalid_argument(malformed.to_string());
        let slots = self.options.slots.clone();
        let whole = LEAST + Duration::from_secs(4 * slots.elements() as u64 / SLOWEST);
        let mut assembly =
            Assembly::new(header, slots).map_err(|malformed| Status::resource_exhausted(malformed.to_string()))?;
        let patience = self.options.timeouts.transfer;
        let began = Instant::now();
        let mut told = began;
        loop {
            let left = whole.saturating_sub(began.elapsed()).min(patience);
            let message = timeout(left, chunks.message())
                .await
                .map_err(|_| Status::deadline_exceeded(format!("nothing came for {} s", left.as_secs_f64())))??;
            let Some(message) = message else { break };
            let Some(Chunk::Data(data)) = message.chunk else {
                return Err(Status::invalid_argument("a state has one header"));
            };
            assembly.push(&data).map_err(malformed)?;
            if told.elapsed() > MOVES && !data.is_empty() {
                told = Instant::now();
                // A helm that is busy hears of the next piece.
                let _ = self.inputs.try_send(HelmInput::StateMoved { at: told, expected });
            }
        }
        spawn_blocking(move || assembly.finish())
            .await
            .map_err(|error| Status::internal(error.to_string()))?
            .map_err(|malformed| Status::data_loss(malformed.to_string()))
    }
}

/// Why a stream of a worker has ended, in words. Those of h2 mean little to most people.
fn broken(message: &str) -> String {
    if message.contains("h2 protocol error") || message.contains("broken pipe") {
        return "its connection ended, as that of a process that is killed".to_owned();
    }
    format!("its stream broke ({message})")
}

/// The state of the checkpoint at `path`; `None` if there is none.
fn read(path: &Path) -> Result<Option<State>, checkpoint::Error> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => checkpoint::read(path).map(|(_, state)| Some(state)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(checkpoint::Error::Io { operation: "read", path: path.to_owned(), source }),
    }
}

/// Whether it is the disk that failed, which may pass, and not what is on it.
fn is_io(error: &checkpoint::Error) -> bool {
    matches!(error, checkpoint::Error::Io { source, .. } if source.kind() != io::ErrorKind::NotFound)
}

/// How often in a row a checkpoint could not be read.
#[derive(Debug, Clone, Default)]
struct Unread(Arc<Mutex<(String, u32)>>);

impl Unread {
    /// Counts another time for the checkpoint `name`. Whether it is to be tried again.
    fn is_new(&self, name: &str) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != name {
            *last = (name.to_owned(), 0);
        }
        last.1 += 1;
        last.1 <= READS
    }
}

/// Tells the helm which checkpoint counts instead of `name`, which could not be read.
async fn pass_over(store: Store, inputs: mpsc::Sender<HelmInput>, name: String, why: String) -> Result<(), Status> {
    let ended = |error: JoinError| Status::internal(error.to_string());
    let looking = store.clone();
    let newest = match spawn_blocking(move || looking.newest()).await.map_err(ended)? {
        Ok((newest, _)) => newest,
        // Nothing is known of other checkpoints, and nothing is decided without that.
        Err(error) => return Err(Status::unavailable(error.to_string())),
    };
    if newest.as_ref().is_some_and(|(newest, _, _)| *newest == name) {
        // By now it can be read.
        return Ok(());
    }
    let instead = newest.map(|(name, manifest, state)| (name, manifest.position, state.totals));
    let counts = instead.is_some();
    inputs.send(HelmInput::Unreadable { name: name.clone(), why, instead }).await.map_err(|_| over())?;
    if counts && let Err(error) = spawn_blocking(move || store.set_apart(&name)).await.map_err(ended)? {
        tracing::warn!("{error}");
    }
    Ok(())
}

/// What is in the file at `path` from byte `at` on, up to a chunk of it. Between two chunks no file is open: whoever takes
/// none is no burden.
fn piece_of(path: &Path, at: u64) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    let mut data = Vec::with_capacity(CHUNK_BYTES);
    file.take(CHUNK_BYTES as u64).read_to_end(&mut data)?;
    Ok(data)
}

/// A stream that tells a worker that the run needs it no longer.
fn dismissal() -> Orders {
    let (sender, stream) = orders();
    let reason = "the run is over".to_owned();
    // Has room: it is new.
    let _ = sender.put(Ok(v1::Order { order: Some(Down::Dismiss(v1::Dismiss { reason })) }));
    stream
}

type Chunks<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Cluster for ClusterService {
    type AttachStream = Orders;

    async fn attach(&self, request: Request<Streaming<v1::Report>>) -> Result<Response<Self::AttachStream>, Status> {
        let mut reports = request.into_inner();
        let first = timeout(self.options.timeouts.request, reports.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no hello came"))??;
        let Some(v1::Report { report: Some(Up::Hello(hello)) }) = first else {
            return Err(Status::invalid_argument("the first report has to be a hello"));
        };
        let (answer, answered) = oneshot::channel();
        let hello = strangers::hello(&hello);
        if self.inputs.send(HelmInput::Attach { hello, answer }).await.is_err() {
            return Ok(Response::new(dismissal()));
        }
        let Ok(attached) = answered.await else { return Ok(Response::new(dismissal())) };
        let attached = attached?;
        let (worker, inputs) = (attached.worker, self.inputs.clone());
        let pace = self.options.timeouts.heartbeat / HASTE;
        tokio::spawn(async move {
            let mut heard: Option<Instant> = None;
            let cause = loop {
                match reports.message().await {
                    Ok(Some(report)) => {
                        let at = Instant::now();
                        if matches!(report.report, Some(Up::Progress(_))) {
                            // A worker that says the same without end takes nobody's time.
                            if heard.is_some_and(|heard| at - heard < pace) {
                                continue;
                            }
                            heard = Some(at);
                        }
                        let report = strangers::report(report);
                        if inputs.send(HelmInput::Report { at, worker, report }).await.is_err() {
                            return;
                        }
                    }
                    Ok(None) => break "it closed its stream".to_owned(),
                    Err(status) => break broken(status.message()),
                }
            };
            // If the helm is gone the run is over.
            let _ = inputs.send(HelmInput::Detached { at: Instant::now(), worker, cause }).await;
        });
        Ok(Response::new(attached.orders))
    }

    type GetDatasetStream = Chunks<v1::DatasetChunk>;

    async fn get_dataset(
        &self,
        request: Request<v1::GetDatasetRequest>,
    ) -> Result<Response<Self::GetDatasetStream>, Status> {
        let name = text::name(&request.into_inner().sha256);
        let ClusterOptions { dataset, data_dir, .. } = &self.options;
        // Only what the data set consists of: a checksum is no way to any other file.
        let Some(blob) = dataset.all_blobs().find(|blob| blob.sha256 == name) else {
            return Err(Status::not_found(format!("the data set has no file with the checksum {name:?}")));
        };
        let path = importers::path_of(dataset, data_dir, blob);
        let (sender, receiver) = mpsc::channel(1);
        let patience = self.options.timeouts.transfer;
        tokio::spawn(async move {
            let mut at = 0;
            loop {
                let path = path.clone();
                let piece = match spawn_blocking(move || piece_of(&path, at)).await {
                    Ok(Ok(data)) if data.is_empty() => return,
                    Ok(Ok(data)) => {
                        at += data.len() as u64;
                        Ok(v1::DatasetChunk { data })
                    }
                    Ok(Err(error)) => Err(Status::data_loss(format!("cannot read {name}: {error}"))),
                    Err(error) => Err(Status::internal(error.to_string())),
                };
                // Who does not take it for long gets no more.
                let last = piece.is_err();
                if !matches!(timeout(patience, sender.send(piece)).await, Ok(Ok(()))) || last {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    type GetStateStream = Chunks<v1::StateChunk>;

    async fn get_state(&self, request: Request<v1::GetStateRequest>) -> Result<Response<Self::GetStateStream>, Status> {
        // As it is shown: what names a checkpoint is the same.
        let v1::GetStateRequest { checkpoint, ticket } = request.into_inner();
        let name = text::name(&checkpoint);
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(Status::invalid_argument(format!("{name:?} is no name of a checkpoint")));
        }
        let busy = || Status::resource_exhausted(format!("{STATES} states are on their way already; try again later"));
        // Who is to begin a generation with it does not wait for others.
        let ordered = self.options.tickets.take_fetch(ticket);
        let place =
            if ordered { None } else { Some(Arc::clone(&self.states).try_acquire_owned().map_err(|_| busy())?) };
        let path = self.options.store.path(&name);
        let found = spawn_blocking(move || read(&path)).await.map_err(|error| Status::internal(error.to_string()))?;
        let status = match found {
            Ok(Some(state)) => return self.send(state, place).await,
            Ok(None) => Status::not_found(format!("there is no checkpoint {name:?}")),
            // What is wrong with a disk may pass: who asked is set aside for a while, and asks again.
            Err(error) if is_io(&error) && (!ordered || self.unread.is_new(&name)) => {
                return Err(Status::unavailable(error.to_string()));
            }
            Err(error) => Status::data_loss(error.to_string()),
        };
        if !ordered {
            return Err(status);
        }
        let store = self.options.store.clone().of_run(&self.options.run_id);
        // Whoever asked may be gone before an answer is found.
        let (inputs, why) = (self.inputs.clone(), status.message().to_owned());
        let told = tokio::spawn(pass_over(store, inputs, name, why)).await;
        told.map_err(|error| Status::internal(error.to_string()))??;
        Err(status)
    }

    async fn put_state(
        &self,
        request: Request<Streaming<v1::StateChunk>>,
    ) -> Result<Response<v1::PutStateResponse>, Status> {
        let mut chunks = request.into_inner();
        let first = timeout(self.options.timeouts.request, chunks.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no header came"))??;
        let Some(v1::StateChunk { chunk: Some(Chunk::Header(header)) }) = first else {
            return Err(Status::invalid_argument("a state begins with its header"));
        };
        if header.run_id != self.options.run_id {
            return Err(Status::failed_precondition(format!("this is run {}", self.options.run_id)));
        }
        // Until it is dropped no other state may come for the same order.
        let shown = self
            .options
            .tickets
            .show(header.ticket)
            .ok_or_else(|| Status::permission_denied("nobody ordered this state, or not any more"))?;
        let expected = shown.expected;
        let (input, answer) = match self.receive(&header, chunks, expected).await {
            Ok((state, digest)) => {
                let (at, state) = (Instant::now(), Box::new(state));
                (HelmInput::State { at, expected, state, digest }, Ok(Response::new(v1::PutStateResponse {})))
            }
            Err(status) => {
                let (at, cause) = (Instant::now(), status.message().to_owned());
                (HelmInput::StateFailed { at, expected, cause }, Err(status))
            }
        };
        self.inputs.send(input).await.map_err(|_| over())?;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_stream_is_told_in_plain_words() {
        let killed = broken("h2 protocol error: error reading a body from connection");
        assert_eq!(killed, "its connection ended, as that of a process that is killed");
        assert_eq!(broken("a message is too large"), "its stream broke (a message is too large)");
    }
}
