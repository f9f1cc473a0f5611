//! `cox pause` and `cox resume`.

use crate::{args::Pause, connect::Coordinator, error::Failure, output::Output, stop};
use program::text::one_line;
use proto::v1::RunState;
use std::time::Duration;
use view::RunView;

/// Between two looks at the run.
const INTERVAL: Duration = Duration::from_millis(200);

/// Has the run pause, and waits until it does unless that is not wanted.
///
/// # Errors
/// If the run is over or comes to its end instead, the coordinator does not answer, or the output cannot be written.
pub async fn pause(coordinator: &Coordinator, options: &Pause, output: &Output) -> Result<(), Failure> {
    coordinator.pause(&options.reason).await?;
    let mut views = coordinator.watch(INTERVAL).await?;
    let mut before = None;
    let run = loop {
        let run = views.next().await?;
        if options.no_wait || run.state() == RunState::Paused {
            break run;
        }
        // No generation is formed in a pause: someone has the run go on.
        let goes_on = run.generation > *before.get_or_insert(run.generation);
        if goes_on || view::is_over(run.state()) {
            let (state, reason) = (view::word(run.state()), one_line(&run.reason));
            return Err(Failure::NotPaused { state, reason });
        }
    };
    if output.json() { output.json_object(&RunView::new(&run)) } else { output.text(&stop::render(&run)) }
}

/// Has the run go on.
///
/// # Errors
/// If the run is over, the coordinator does not answer, or the output cannot be written.
pub async fn resume(coordinator: &Coordinator, output: &Output) -> Result<(), Failure> {
    coordinator.resume().await?;
    let run = coordinator.run().await?;
    if output.json() { output.json_object(&RunView::new(&run)) } else { output.text(&stop::render(&run)) }
}
