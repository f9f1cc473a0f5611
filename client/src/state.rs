//! The colours of a run's states.

use crate::look::Ink;
use proto::v1::RunState;

/// The state's colour.
#[must_use]
pub fn ink(state: RunState) -> Ink {
    match state {
        RunState::Training | RunState::Evaluating | RunState::Saving | RunState::Finished => Ink::Good,
        RunState::Unspecified
        | RunState::Waiting
        | RunState::Forming
        | RunState::Stopping
        | RunState::Stopped
        | RunState::Paused => Ink::Warning,
        RunState::Failed => Ink::Bad,
    }
}
