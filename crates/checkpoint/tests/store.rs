//! Checkpoints written, read, damaged and pruned on a real disk.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use checkpoint::{Error, Retention, Saved, Store, read, weights_sha256};
use common::{config, layout, save, state, write};
use learn::MOMENTUM;
use schedule::ScheduleState;
use state::{PARAMETERS, STATISTICS};
use std::fs;

#[test]
fn what_is_read_is_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path().join("checkpoints"));
    let written = state(1, 3);
    let name = write(&store, &written, Some(0.5));
    assert_eq!(name, "step-00000013");
    let (manifest, found) = read(&store.path(&name)).unwrap();
    assert_eq!(found, written);
    assert_eq!(manifest.weights_sha256, weights_sha256(&layout(), &written, 13));
    assert_eq!(fs::read_to_string(store.path("latest")).unwrap(), "step-00000013\n");
    // Written again at the same place, as after an evaluation.
    assert_eq!(write(&store, &written, None), name);
    assert_eq!(store.list().unwrap().len(), 1);
}

#[test]
fn the_digest_is_over_the_state_dict() {
    let state = state(0, 0);
    let digest = weights_sha256(&layout(), &state, 0);
    let mut changed = state.clone();
    changed.of_mut(MOMENTUM)[0] += 1.0;
    assert_eq!(weights_sha256(&layout(), &changed, 0), digest);
    changed.of_mut(STATISTICS)[0] += 1.0;
    assert_ne!(weights_sha256(&layout(), &changed, 0), digest);
    assert_ne!(weights_sha256(&layout(), &state, 1), digest);
}

#[test]
fn a_damaged_checkpoint_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let good = write(&store, &state(0, 1), None);
    let torn = write(&store, &state(0, 2), None);
    let altered = write(&store, &state(0, 3), None);
    let file = store.path(&torn).join("model.safetensors");
    let content = fs::read(&file).unwrap();
    fs::write(&file, &content[..content.len() / 2]).unwrap();
    let file = store.path(&altered).join("training.safetensors");
    let mut content = fs::read(&file).unwrap();
    *content.last_mut().unwrap() ^= 1;
    fs::write(&file, &content).unwrap();

    let (newest, damaged) = store.newest().unwrap();
    assert_eq!(newest.unwrap().0, good);
    let text: Vec<String> = damaged.iter().map(|damaged| damaged.why.to_string()).collect();
    assert!(text[0].contains("training.safetensors is damaged: its checksum is not the manifest's"), "{text:?}");
    assert!(text[1].contains("model.safetensors is damaged: it has"), "{text:?}");
    assert!(matches!(read(directory.path()), Err(Error::NotACheckpoint { .. })));
    // By its manifest alone the altered one is whole. The torn one is none, and the good one stays.
    let names = |store: &Store| store.list().unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&store), [good.clone(), altered.clone()]);
    for name in [&altered, &torn, &good] {
        store.set_apart(name).unwrap();
    }
    assert_eq!(names(&store), [good]);
    assert!(store.path(&torn).exists() && store.path(&format!("kept-{altered}")).exists());
}

#[test]
fn the_last_and_the_best_stay() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let names: Vec<String> = [0.3, 0.9, 0.5, 0.6, 0.7]
        .iter()
        .enumerate()
        .map(|(step, accuracy)| write(&store, &state(0, step as u32), Some(*accuracy)))
        .collect();
    assert_eq!(store.prune(Retention { last: 2, best: true }).unwrap(), [names[0].clone(), names[2].clone()]);
    assert_eq!(store.best().unwrap().unwrap().0, names[1]);
    assert_eq!(store.prune(Retention { last: 1, best: false }).unwrap(), [names[1].clone(), names[3].clone()]);
}

#[test]
fn what_was_evaluated_to_no_number_is_not_the_best() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let names: Vec<String> = [(1.5, 0.3), (f64::NAN, 0.9), (f64::INFINITY, 0.8), (1.4, 0.2)]
        .into_iter()
        .zip(0..)
        .map(|(evaluation, step)| save(&store, "a run", &state(0, step), Some(evaluation)).unwrap())
        .collect();
    let (manifest, _) = read(&store.path(&names[1])).unwrap();
    assert!(manifest.test_loss.is_some_and(f64::is_nan), "it is written and read as it is");
    assert_eq!(store.best().unwrap().unwrap().0, names[0]);
    assert_eq!(store.prune(Retention { last: 1, best: true }).unwrap(), names[1..3]);
}

#[test]
fn weights_that_are_no_numbers_are_not_saved() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let good = write(&store, &state(0, 1), None);
    let mut diverged = state(0, 2);
    diverged.of_mut(PARAMETERS)[7] = f32::NAN;
    let error = save(&store, "a run", &diverged, None).unwrap_err();
    let expected = "the state at epoch 1, step 2 has weights that are NaN or infinite: training has diverged there";
    assert_eq!(error.to_string(), expected);
    assert_eq!(store.newest().unwrap().0.unwrap().0, good);
}

#[test]
fn a_state_of_another_model_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut small = state(0, 0);
    small.of_mut(PARAMETERS).pop();
    let (config, schedule) = (config(), ScheduleState::new(0.1));
    let saved = Saved { run_id: "a run", config: &config, schedule: &schedule, evaluation: None, state: &small };
    let error = Store::new(directory.path()).write(&saved).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the state is not one of resnet20: its slot parameters has 272473 elements instead of 272474"
    );
}
