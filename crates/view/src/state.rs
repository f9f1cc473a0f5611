//! The states of a run, in words.

use proto::v1::RunState;

/// The state's name. `unknown` for one that only a newer coordinator has.
#[must_use]
pub fn word(state: RunState) -> &'static str {
    match state {
        RunState::Unspecified => "unknown",
        RunState::Waiting => "waiting",
        RunState::Forming => "forming",
        RunState::Training => "training",
        RunState::Evaluating => "evaluating",
        RunState::Saving => "saving",
        RunState::Stopping => "stopping",
        RunState::Finished => "finished",
        RunState::Stopped => "stopped",
        RunState::Failed => "failed",
        RunState::Paused => "paused",
    }
}

/// Whether nothing comes after it.
#[must_use]
pub fn is_over(state: RunState) -> bool {
    matches!(state, RunState::Finished | RunState::Stopped | RunState::Failed)
}
