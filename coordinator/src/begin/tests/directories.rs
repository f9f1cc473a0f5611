//! Run directories without training.

use crate::{
    args::Args,
    begin::{Begun, begin},
    error::Error,
    journal::{Entry, Journal},
    summary,
};
use checkpoint::{Manifest, Saved, Store};
use config::RunConfig;
use learn::MOMENTUM;
use plan::{Confusion, Position};
use schedule::ScheduleState;
use state::{PARAMETERS, State};
use std::{ffi::OsString, fs, path::Path};
use steering::EpochRecord;

/// Steps of an epoch.
pub const STEPS: u32 = 10;

pub fn args(run_dir: &Path, flags: &[&str]) -> Args {
    let line =
        ["coordinator", "--limit-train", "100", "--batch-size", "10", "--limit-test", "50", "--precision", "fp32"];
    let run_dir = ["--run-dir", run_dir.to_str().unwrap()];
    let line: Vec<OsString> = line.iter().chain(&run_dir).chain(flags).map(OsString::from).collect();
    Args::read(&line).unwrap()
}

/// Begins as a coordinator with `flags` does.
pub fn start(run_dir: &Path, flags: &[&str]) -> Result<Begun, Error> {
    begin(&args(run_dir, flags), |_| Ok(()))
}

/// The error of a coordinator that cannot begin.
pub fn refused(run_dir: &Path, flags: &[&str]) -> Error {
    start(run_dir, flags).map(|begun| begun.start).unwrap_err()
}

/// The schedule of a course after so many epochs.
pub fn schedule(course: u32, epochs: u32) -> ScheduleState {
    ScheduleState { epochs, ..ScheduleState::new(f64::from(course) / f64::from(epochs + 1)) }
}

/// A state that tells of which course it is, and where.
pub fn state(course: u32, position: Position) -> State {
    let config = RunConfig { seed: 1, ..RunConfig::default() };
    let mut state = checkpoint::initial_state(&config, config.architecture().unwrap().layout());
    state.position = position;
    state.of_mut(PARAMETERS)[0] = course as f32;
    state.of_mut(MOMENTUM)[0] = position.steps_done(STEPS) as f32;
    state
}

pub fn record(course: u32, epoch: u32) -> EpochRecord {
    EpochRecord {
        epoch,
        train_loss: 1.0,
        train_accuracy: 0.5,
        train_images: 100,
        test_loss: f64::from(course),
        test_accuracy: 0.5,
        confusion: Confusion::new(2),
        lr: 0.1,
        seconds: 1.0,
        train_seconds: 1.0,
        images_per_second: 100.0,
        note: None,
        schedule: schedule(course, epoch + 1),
    }
}

/// Goes on as `begun` says, to the end of `epochs` epochs: what is on disk is as after training.
pub fn train(begun: Begun, course: u32, epochs: u32) {
    let Begun { run_id, config, run_dir, mut journal, start, .. } = begun;
    let store = Store::new(run_dir.join("checkpoints"));
    let mut history = start.history.clone();
    for epoch in start.epochs_done()..epochs {
        history.push(record(course, epoch));
        journal.record(0.0, [Entry::Epoch(Box::new(record(course, epoch)))]).unwrap();
        let name = save(&store, &run_id, &config, course, Position { epoch: epoch + 1, step: 0 });
        journal.record(0.0, [Entry::Checkpoint { name, steps_done: u64::from((epoch + 1) * STEPS) }]).unwrap();
    }
    summary::write_metrics(&run_dir, &history).unwrap();
}

/// Saves the state of a course at a position.
pub fn save(store: &Store, run_id: &str, config: &RunConfig, course: u32, position: Position) -> String {
    let (state, schedule) = (state(course, position), schedule(course, position.epoch));
    let evaluation = (position.step == 0).then_some((f64::from(course), 0.5));
    store.write(&Saved { run_id, config, schedule: &schedule, evaluation, state: &state }).unwrap().0
}

/// A run of a course, that has done so many epochs.
pub fn run(run_dir: &Path, course: u32, epochs: u32) {
    let begun = start(run_dir, &["--epochs", &epochs.to_string(), "--schedule", "constant"]).unwrap();
    // The first rate of a course is its own.
    train(begun, course, epochs);
}

/// What a coordinator finds: the course it is on, where, the epochs that it has figures of, and where these begin.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub course: u32,
    pub at: Position,
    pub epochs: Vec<u32>,
    pub base: u32,
}

impl Found {
    pub fn of(begun: &Begun) -> Self {
        let (name, manifest, state) = begun.newest.as_ref().unwrap();
        let (checkpoint, at, _) = begun.start.checkpoint.clone().unwrap();
        assert_eq!((&checkpoint, at, at), (name, manifest.position, state.position));
        assert_eq!(
            state.of(MOMENTUM)[0],
            at.steps_done(STEPS) as f32,
            "a state of one place in a checkpoint of another"
        );
        assert_eq!(manifest.run_id, begun.run_id);
        let course = state.of(PARAMETERS)[0] as u32;
        // Whether the history is empty or not, the schedule is that of the checkpoint.
        assert_eq!(begun.start.base, (at.epoch, schedule(course, at.epoch)));
        let before = begun.start.history.iter().rfind(|record| record.epoch < at.epoch);
        assert!(before.is_none_or(|before| before.schedule == schedule(course, at.epoch)), "{before:?}");
        Self {
            course,
            at,
            epochs: begun.start.history.iter().map(|record| record.epoch).collect(),
            base: begun.start.base.0,
        }
    }
}

/// What a coordinator with `flags` finds.
pub fn found(run_dir: &Path, flags: &[&str]) -> Found {
    Found::of(&start(run_dir, flags).unwrap_or_else(|error| panic!("{error}")))
}

/// Names and runs of the checkpoints in a run directory.
pub fn checkpoints(run_dir: &Path) -> Vec<(String, Manifest)> {
    Store::new(run_dir.join("checkpoints")).list().unwrap()
}

/// All names in a directory, in their order.
pub fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The epochs of `metrics.jsonl`, counted from 0.
pub fn metrics(run_dir: &Path) -> Vec<u64> {
    let text = fs::read_to_string(run_dir.join("metrics.jsonl")).unwrap_or_default();
    let epoch = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["epoch"].as_u64().unwrap() - 1;
    text.lines().map(epoch).collect()
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in entries(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() { copy(&from, &to) } else { fs::copy(from, to).map(|_| ()).unwrap() }
    }
}

/// The run that the journal knows.
pub fn journal(run_dir: &Path) -> Journal {
    Journal::open(run_dir).unwrap()
}
