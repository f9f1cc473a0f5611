//! The slots of a model's state, and the state in which a run begins.

use resnet::Layout;
use state::{Slots, State};

/// The slots of a run of the model with this `layout`.
#[must_use]
pub fn slots(layout: &Layout) -> Slots {
    Slots::of_sgd(layout.parameters(), layout.statistics())
}

/// The state in which a run of `seed` begins.
#[must_use]
pub fn initial_state(layout: &Layout, seed: u64) -> State {
    State::initial(&slots(layout), resnet::initial_parameters(layout, seed), resnet::initial_statistics(layout))
}
