//! Where in the run this worker is: what its log lines say of that.

use crate::session::Session;
use tracing::{Span, error_span};

/// The span of a run. Spans are of the highest level, so that every line that is logged has them.
pub(super) fn of_run(run: &str) -> Span {
    error_span!("run", run)
}

impl Session {
    /// Run, generation, rank, epoch and step, as far as they are known.
    pub(super) fn log_place(&self) -> Span {
        let Some(run) = self.run_id() else { return Span::none() };
        let run = of_run(run);
        let Some((generation, rank)) = self.membership else { return run };
        let generation = error_span!(parent: &run, "generation", generation, rank);
        let held = self.joined.as_ref().and_then(|joined| joined.engine.control.held());
        match held.map(|held| held.position) {
            Some(position) => error_span!(parent: &generation, "step", epoch = position.epoch, step = position.step),
            None => generation,
        }
    }

    /// The run that this worker takes part in, or prepares for.
    pub(super) fn run_id(&self) -> Option<&str> {
        let joined = self.joined.as_ref().map(|joined| joined.run_id.as_str());
        joined.or(self.welcomed.as_ref().map(|(run_id, _)| run_id.as_str()))
    }
}
