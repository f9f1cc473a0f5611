//! States over the wire, both ways.

use config::RunConfig;
use engine::EngineError;
use proto::{
    Assembly, Malformed, state_chunks,
    v1::{GetStateRequest, StateChunk, cluster_client::ClusterClient, state_chunk::Chunk},
};
use state::State;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_stream::iter;
use tonic::{Request, Status, Streaming, transport::Channel};

/// For a state of no size. A coordinator that hears nothing loses patience long before.
const LEAST: Duration = Duration::from_mins(1);
/// Bytes a second of a line that is still worth waiting for.
const SLOWEST: u64 = 50_000;
/// Between two looks at whether a state is still wanted.
const GLANCE: Duration = Duration::from_millis(100);

/// Sends `state` to the coordinator, for the order with this `ticket`.
///
/// # Errors
/// As the coordinator answers.
pub async fn upload(
    client: &mut ClusterClient<Channel>,
    run_id: &str,
    ticket: u64,
    state: &State,
) -> Result<(), Status> {
    let mut request = Request::new(iter(state_chunks(run_id, ticket, state)));
    request.set_timeout(LEAST + Duration::from_secs(4 * state.elements() as u64 / SLOWEST));
    client.put_state(request).await.map(|_| ())
}

/// Asks the coordinator for the state of a checkpoint of the run of `config`. Nothing is waited for longer than `patience`.
/// `wanted` is called again and again, and says whether to go on.
///
/// # Errors
/// If it cannot be had. Without an error there is no state if it is not wanted any more.
pub async fn download(
    client: &mut ClusterClient<Channel>,
    (checkpoint, ticket): (&str, u64),
    config: &RunConfig,
    patience: Duration,
    wanted: impl Fn() -> bool,
) -> Result<Option<State>, EngineError> {
    let not_given = |cause: String| EngineError::NotGiven { checkpoint: checkpoint.to_owned(), cause };
    let failed = |status: Status| not_given(status.message().to_owned());
    let malformed = |malformed: Malformed| not_given(malformed.to_string());
    let architecture = config.architecture().map_err(checkpoint::Error::from)?;
    let layout = architecture.layout();
    let request = Request::new(GetStateRequest { checkpoint: checkpoint.to_owned(), ticket });
    let mut opening = Box::pin(client.get_state(request));
    let began = Instant::now();
    // The coordinator reads its disk meanwhile.
    let mut stream = loop {
        match timeout(GLANCE, &mut opening).await {
            Ok(opened) => break opened.map_err(failed)?.into_inner(),
            Err(_) if !wanted() => return Ok(None),
            Err(_) if began.elapsed() > patience => return Err(not_given(too_late(patience))),
            Err(_) => {}
        }
    };
    let mut assembly = None;
    while let Some(chunk) = piece(&mut stream, patience, &wanted, &not_given).await? {
        let Some(chunk) = chunk else { return Ok(None) };
        match (chunk.chunk, &mut assembly) {
            (Some(Chunk::Header(header)), None) => {
                assembly = Some(Assembly::new(&header, checkpoint::slots(config, layout)).map_err(malformed)?);
            }
            (Some(Chunk::Data(data)), Some(assembly)) => assembly.push(&data).map_err(malformed)?,
            _ => return Err(not_given("it is out of order".to_owned())),
        }
    }
    let assembly = assembly.ok_or_else(|| not_given("it is empty".to_owned()))?;
    assembly.finish().map(|(state, _)| Some(state)).map_err(malformed)
}

fn too_late(patience: Duration) -> String {
    format!("nothing came for {} s", patience.as_secs_f64())
}

/// The next piece; `None` at the end. `Some(None)`: it is not wanted any more.
async fn piece(
    stream: &mut Streaming<StateChunk>,
    patience: Duration,
    wanted: &impl Fn() -> bool,
    not_given: &impl Fn(String) -> EngineError,
) -> Result<Option<Option<StateChunk>>, EngineError> {
    let began = Instant::now();
    loop {
        let next = timeout(GLANCE, stream.message()).await;
        if !wanted() {
            return Ok(Some(None));
        }
        match next {
            Ok(Ok(chunk)) => return Ok(chunk.map(Some)),
            Ok(Err(status)) => return Err(not_given(status.message().to_owned())),
            Err(_) if began.elapsed() > patience => return Err(not_given(too_late(patience))),
            Err(_) => {}
        }
    }
}
