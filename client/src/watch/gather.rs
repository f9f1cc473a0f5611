//! What a run has been through, asked for whenever it has grown.

use super::{
    model::{History, Message, Model},
    stage::Handle,
};
use crate::{connect::Coordinator, error::Failure, source::Source};
use std::{convert::Infallible, time::Duration};
use tokio::time::sleep;

/// Between two looks for more.
const INTERVAL: Duration = Duration::from_secs(1);

/// Asks `coordinator` again and again. What cannot be had is left out: the connection itself is judged elsewhere.
pub async fn gather(coordinator: Coordinator, stage: Handle) -> Infallible {
    let source = Source::Live(coordinator);
    let mut known = None;
    loop {
        if let Some(next) = stage.look(Model::missing_event)
            && let Ok(events) = source.events(next, "").await
            && !events.is_empty()
        {
            stage.tell(Message::Events(events));
        }
        let now = stage.look(version);
        if known.as_ref() != Some(&now)
            && let Ok(history) = history(&source).await
        {
            known = Some(now);
            stage.tell(Message::History(Box::new(history)));
        }
        sleep(INTERVAL).await;
    }
}

/// Asks once, of a run that is over.
///
/// # Errors
/// If it cannot be had.
pub async fn once(source: &Source, stage: &Handle) -> Result<(), Failure> {
    stage.tell(Message::Events(source.events(0, "").await?));
    stage.tell(Message::History(Box::new(history(source).await?)));
    Ok(())
}

async fn history(source: &Source) -> Result<History, Failure> {
    Ok(History {
        epochs: source.epochs(false).await?,
        checkpoints: source.checkpoints().await?,
        generations: source.generations().await?,
        recoveries: source.recoveries().await?,
    })
}

/// What of a run tells that its history has grown.
fn version(model: &Model) -> (String, u32, u64, String, usize) {
    let run = &model.run;
    (run.id.clone(), view::epochs_done(run), run.generation, run.checkpoint.clone(), run.recoveries.len())
}
