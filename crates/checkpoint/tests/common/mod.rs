//! Small checkpoints.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test uses a part of it")]

use checkpoint::{Error, Manifest, Saved, Store};
use config::RunConfig;
use learn::MOMENTUM;
use plan::{Position, Totals};
use resnet::Layout;
use schedule::ScheduleState;
use state::State;
use std::{fs, path::Path};

pub const RUN: &str = "a run";

pub fn config() -> RunConfig {
    RunConfig {
        epochs: 3,
        batch_size: 10,
        shards: 2,
        seed: 5,
        train_samples: 100,
        test_samples: 50,
        ..RunConfig::default()
    }
}

pub fn layout() -> Layout {
    config().architecture().unwrap().layout().clone()
}

pub fn state(epoch: u32, step: u32) -> State {
    let mut state = checkpoint::initial_state(&config(), &layout());
    state.position = Position { epoch, step };
    state.totals = Totals { loss: 0.1 + 0.2, correct: 7, samples: 30 };
    state.of_mut(MOMENTUM).iter_mut().enumerate().for_each(|(i, value)| *value = (i as f32).sin());
    state
}

pub fn save(store: &Store, run_id: &str, state: &State, evaluation: Option<(f64, f64)>) -> Result<String, Error> {
    let (config, schedule) = (config(), ScheduleState::new(0.1));
    let saved = Saved { run_id, config: &config, schedule: &schedule, evaluation, state };
    store.write(&saved).map(|(name, _)| name)
}

pub fn write(store: &Store, state: &State, accuracy: Option<f64>) -> String {
    save(store, RUN, state, accuracy.map(|accuracy| (1.0, accuracy))).unwrap()
}

/// Changes the manifest of the checkpoint at `path`, as text.
pub fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let file = path.join("manifest.json");
    let text = fs::read_to_string(&file).unwrap();
    let changed = change(&text);
    assert_ne!(changed, text);
    fs::write(&file, changed).unwrap();
}

pub fn names(list: &[(String, Manifest)]) -> Vec<&str> {
    list.iter().map(|(name, _)| name.as_str()).collect()
}

/// All names in a directory, in their order.
pub fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in entries(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}
