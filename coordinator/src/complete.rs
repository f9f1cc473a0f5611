//! A run that is complete before it begins: its command was given again, and nothing is left to do.

use crate::{
    begin::Begun,
    display::Display,
    error::Error,
    local,
    summary::{self, Summary},
};
use checkpoint::Store;
use std::time::Duration;
use steering::{Ending, Outcome};

/// Says that nothing is left to do, and ends the workers of this machine that are left. Completes what a killed
/// coordinator did not get to: metrics.jsonl and the summary. A summary that tells of this end already stays as it is.
///
/// # Errors
/// If metrics.jsonl or the summary cannot be written.
pub fn tell(begun: &Begun, display: &Display) -> Result<(), Error> {
    local::end_left_behind(&begun.run_dir);
    if !begun.start.history.is_empty() {
        summary::write_metrics(&begun.run_dir, &begun.start.history)?;
    }
    let reason = format!("all {} epochs are done", begun.start.epochs_done());
    if !Summary::tells_the_end(&begun.run_dir, begun.newest.as_ref().map(|(_, manifest, _)| manifest)) {
        let store = Store::new(begun.run_dir.join("checkpoints")).of_run(&begun.run_id);
        let ending = Ending { outcome: Outcome::Finished, reason: reason.clone() };
        let workers = begun.journal.last_members()?;
        let (history, recoveries) = (&begun.start.history, &begun.start.recoveries);
        Summary::new(&ending, &begun.config, workers, history, recoveries, &store, Duration::ZERO)?
            .write(&begun.run_dir)?;
    }
    let longer = if begun.config.schedule.rule().spans_the_run() { "" } else { "; --epochs makes the run longer" };
    tracing::info!("{reason}: nothing is left to do");
    display.over(&format!("{} in {}: nothing is left to do{longer}", reason, begun.run_dir.display()));
    Ok(())
}
