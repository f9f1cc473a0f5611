//! The slots of a model's state, and the state in which a run begins.

use config::RunConfig;
use resnet::Layout;
use state::{Slots, State};

/// The slots of a run of `config`, whose model has this `layout`.
#[must_use]
pub fn slots(config: &RunConfig, layout: &Layout) -> Slots {
    config.slots(layout.parameters(), layout.statistics())
}

/// The state in which a run of `config` begins.
#[must_use]
pub fn initial_state(config: &RunConfig, layout: &Layout) -> State {
    let parameters = resnet::initial_parameters(layout, config.seed);
    State::initial(&slots(config, layout), parameters, resnet::initial_statistics(layout))
}
