//! Where the run is, its figures and its speed.

use crate::{family, gauge};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::info::Info,
    registry::{Registry, Unit},
};
use proto::v1::{Run, RunState};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// Adds what is known of `run`. What is not known yet is left out.
pub fn register(registry: &mut Registry, run: &Run) {
    let model = run.model().unwrap_or_default().to_owned();
    registry.register(
        "run",
        "The run that this coordinator steers",
        Info::new(vec![("run_id", run.id.clone()), ("model", model)]),
    );
    let state = |of: RunState| (State { state: view::word(of) }, f64::from(u8::from(of == run.state())));
    family(registry, "run_state", "1 for the state that the run is in, 0 for the others", states().map(state));
    gauge(registry, "epoch", "The epoch in progress, from 0", f64::from(run.epoch));
    gauge(registry, "step", "The next step of the epoch in progress, from 0", f64::from(run.step));
    gauge(registry, "epoch_steps", "Steps of an epoch", f64::from(run.steps_per_epoch));
    gauge(registry, "generation", "The generation at work: a number that only grows", run.generation as f64);
    gauge(registry, "learning_rate", "The learning rate of the next step", run.learning_rate);
    gauge(registry, "train_loss", "Mean loss over the samples of the epoch so far", run.train_loss);
    gauge(registry, "train_accuracy_ratio", "Accuracy over the samples of the epoch so far", run.train_accuracy);
    let last = run.epochs.last();
    gauge(registry, "test_loss", "Mean loss over the test set, after the last epoch", last.map(|last| last.test_loss));
    let accuracy = last.map(|last| last.test_accuracy);
    gauge(registry, "test_accuracy_ratio", "Accuracy over the test set, after the last epoch", accuracy);
    gauge(registry, "best_accuracy_ratio", "The highest accuracy over the test set", run.best_accuracy);
    gauge(registry, "images_per_second", "Images that all workers train in a second", run.images_per_second);
    seconds(registry, "run_uptime", "Since this coordinator began to steer", Some(run.wall_seconds));
    seconds(registry, "run_remaining", "Until the run is done, as far as it can be told", run.seconds_left);
}

/// Adds a time that is known.
fn seconds(registry: &mut Registry, name: &str, help: &str, value: Option<f64>) {
    let Some(value) = value else { return };
    let gauge = crate::Float::default();
    gauge.set(value);
    registry.register_with_unit(name, help, Unit::Seconds, gauge);
}

/// All states that a run can be in.
fn states() -> impl Iterator<Item = RunState> {
    (0..).map_while(|number| RunState::try_from(number).ok()).filter(|state| *state != RunState::Unspecified)
}
