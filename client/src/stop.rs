//! `cox stop`: the end of a run, saved.

use crate::{
    args::Stop,
    connect::{Coordinator, Watch},
    error::Failure,
    output::Output,
};
use program::text::one_line;
use proto::v1::{Run, RunState};
use std::time::Duration;
use view::RunView;

/// Between two looks at the run.
const INTERVAL: Duration = Duration::from_millis(200);

/// Ends the run, and waits until it is over unless that is not wanted.
///
/// # Errors
/// If it is over already or has failed in the end, the coordinator does not answer, or the output cannot be written.
pub async fn stop(coordinator: &Coordinator, options: &Stop, output: &Output) -> Result<(), Failure> {
    // From before on: a coordinator with nothing to save is gone a moment later.
    let mut views = coordinator.watch(INTERVAL).await?;
    coordinator.stop(&options.reason).await?;
    let run = if options.no_wait {
        coordinator.run().await?
    } else {
        match end(&mut views).await {
            Ok(run) => run,
            // It may be back.
            Err(_) => end(&mut coordinator.watch(INTERVAL).await?).await?,
        }
    };
    if output.json() {
        output.json_object(&RunView::new(&run))?;
    } else if run.state() != RunState::Failed {
        output.text(&render(&run))?;
    }
    match run.state() {
        RunState::Failed => Err(Failure::RunFailed { reason: one_line(&run.reason) }),
        _ => Ok(()),
    }
}

/// The run when it is over.
async fn end(views: &mut Watch) -> Result<Run, Failure> {
    loop {
        let run = views.next().await?;
        if matches!(run.state(), RunState::Finished | RunState::Stopped | RunState::Failed) {
            return Ok(run);
        }
    }
}

/// What became of it, in a line.
#[must_use]
pub fn render(run: &Run) -> String {
    let place = format!("epoch {}, step {} of {}", run.epoch + 1, run.step, run.steps_per_epoch);
    format!("{}: {} ({place})\n", view::word(run.state()), one_line(&run.reason))
}
