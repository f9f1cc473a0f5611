//! Where in the run a log line of the helm stands.

use super::Helm;
use plan::Position;
use tracing::{Span, error_span, span::EnteredSpan};

/// A generation, and how far the newest state is that somebody holds.
type At = (u64, Option<Position>);

/// Where log lines stand from now on, until this is dropped.
pub(super) struct Place {
    at: At,
    entered: Option<EnteredSpan>,
}

/// The span of the run, within that the one of the generation, and within that the one of the step. It is within no other span that
/// may have been entered.
fn span(run: &str, (generation, position): At) -> Span {
    let run = error_span!(parent: None, "run", run);
    let generation = error_span!(parent: &run, "generation", generation);
    match position {
        Some(at) => error_span!(parent: &generation, "step", epoch = at.epoch, step = at.step),
        None => generation,
    }
}

impl Helm {
    fn at(&self) -> At {
        (self.steering.generation(), self.steering.held())
    }

    /// Has log lines stand where the run is now.
    pub(super) fn place(&self) -> Place {
        let at = self.at();
        Place { at, entered: Some(span(&self.run_id, at).entered()) }
    }

    /// Has those after this stand where the run is by now.
    pub(super) fn move_on(&self, place: &mut Place) {
        let at = self.at();
        if place.at != at {
            // It is left before another one is entered.
            place.entered = None;
            *place = Place { at, entered: Some(span(&self.run_id, at).entered()) };
        }
    }
}
