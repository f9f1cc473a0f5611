//! States over the wire, both ways.

use crate::engine::EngineError;
use checkpoint::State;
use proto::{
    Assembly, Malformed, state_chunks,
    v1::{GetStateRequest, cluster_client::ClusterClient, state_chunk::Chunk},
};
use std::time::Duration;
use tokio_stream::iter;
use tonic::{Request, Status, transport::Channel};

/// How long a state may take.
const DEADLINE: Duration = Duration::from_mins(10);

/// Sends `state` to the coordinator.
///
/// # Errors
/// As the coordinator answers.
pub async fn upload(
    client: &mut ClusterClient<Channel>,
    run_id: &str,
    generation: u64,
    state: &State,
) -> Result<(), Status> {
    let mut request = Request::new(iter(state_chunks(run_id, generation, state)));
    request.set_timeout(DEADLINE);
    client.put_state(request).await.map(|_| ())
}

/// Asks the coordinator for the state of a checkpoint. `piece` is called for every piece that comes, and says whether to
/// go on.
///
/// # Errors
/// If it cannot be had. Without an error there is no state if it is not wanted any more.
pub async fn download(
    client: &mut ClusterClient<Channel>,
    checkpoint: &str,
    piece: impl Fn() -> bool,
) -> Result<Option<State>, EngineError> {
    let not_given = |cause: String| EngineError::NotGiven { checkpoint: checkpoint.to_owned(), cause };
    let failed = |status: Status| not_given(status.message().to_owned());
    let malformed = |malformed: Malformed| not_given(malformed.to_string());
    let mut request = Request::new(GetStateRequest { checkpoint: checkpoint.to_owned() });
    request.set_timeout(DEADLINE);
    let mut stream = client.get_state(request).await.map_err(failed)?.into_inner();
    let mut assembly = None;
    while let Some(message) = stream.message().await.map_err(failed)? {
        if !piece() {
            return Ok(None);
        }
        match (message.chunk, &mut assembly) {
            (Some(Chunk::Header(header)), None) => assembly = Some(Assembly::new(&header)),
            (Some(Chunk::Data(data)), Some(assembly)) => assembly.push(&data),
            _ => return Err(not_given("it is out of order".to_owned())),
        }
    }
    let assembly = assembly.ok_or_else(|| not_given("it is empty".to_owned()))?;
    assembly.finish().map(Some).map_err(malformed)
}
