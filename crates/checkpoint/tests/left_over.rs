//! What a coordinator that was killed leaves behind, at every moment at which that can be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use checkpoint::{Retention, Saved, Store, read};
use common::{RUN, config, copy, entries, names, save, state, write};
use schedule::ScheduleState;
use std::{fs, os::unix::fs::symlink};

#[test]
fn what_was_being_written_or_removed_is_gone_after_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let name = write(&store, &state(0, 3), Some(0.5));
    let whole = store.path(&name);
    // Half written, whole and not in place yet, half removed, and an older one whose successor is in place.
    copy(&whole, &store.path(".step-00000004.new"));
    fs::remove_file(store.path(".step-00000004.new/manifest.json")).unwrap();
    copy(&whole, &store.path(".step-00000005.new"));
    copy(&whole, &store.path(".step-00000002.gone"));
    fs::remove_file(store.path(".step-00000002.gone/model.safetensors")).unwrap();
    copy(&whole, &store.path(&format!(".{name}.old")));
    copy(&whole, &store.path(".step-00000009.import"));
    fs::write(store.path(".latest.new"), "step-0").unwrap();
    // What is nobody's business.
    fs::write(store.path(".nfs0001"), "").unwrap();
    fs::create_dir(store.path("notes")).unwrap();
    assert_eq!(names(&store.list().unwrap()), [name.as_str()]);
    assert!(store.tidy(None).unwrap().is_empty());
    assert_eq!(entries(directory.path()), [".nfs0001", "latest", "notes", &name]);
    assert!(Store::new(directory.path().join("nothing")).tidy(None).unwrap().is_empty());
}

#[test]
fn one_whose_successor_did_not_come_gets_its_name_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let name = write(&store, &state(0, 3), Some(0.5));
    let old = store.path(&format!(".{name}.old"));
    fs::rename(store.path(&name), &old).unwrap();
    copy(&old, &store.path(&format!(".{name}.new")));
    assert!(store.tidy(None).unwrap().is_empty());
    assert_eq!(entries(directory.path()), ["latest", &name]);
    read(&store.path(&name)).unwrap();
}

#[test]
fn what_is_half_removed_counts_for_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let best = write(&store, &state(0, 1), Some(0.9));
    let good = write(&store, &state(0, 2), Some(0.5));
    let last = write(&store, &state(0, 3), Some(0.4));
    // As an earlier version left it, which removed in place.
    fs::remove_file(store.path(&best).join("model.safetensors")).unwrap();
    assert_eq!(store.best().unwrap().unwrap().0, good);
    assert_eq!(names(&store.list().unwrap()), [good.as_str(), last.as_str()]);
    let (_, passed_over) = store.newest().unwrap();
    assert_eq!(passed_over[0].name, best);
    assert!(passed_over[0].why.to_string().contains("model.safetensors: No such file"), "{passed_over:?}");
    assert!(store.prune(Retention { last: 1, best: true }).unwrap().is_empty());
    store.remove(&good).unwrap();
    assert_eq!(entries(directory.path()), ["latest", &best, &last]);
}

#[test]
fn the_name_of_the_latest_is_mended() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let name = write(&store, &state(0, 3), None);
    let latest = || fs::read_to_string(store.path("latest")).ok();
    for wrong in ["step-00000007\n", "", "step-00000003"] {
        fs::write(store.path("latest"), wrong).unwrap();
        store.mend_latest(Some(&name)).unwrap();
        assert_eq!(latest(), Some(format!("{name}\n")));
    }
    fs::remove_file(store.path("latest")).unwrap();
    store.mend_latest(Some(&name)).unwrap();
    assert_eq!(latest(), Some(format!("{name}\n")));
    store.mend_latest(None).unwrap();
    store.mend_latest(None).unwrap();
    assert_eq!(latest(), None);
}

#[test]
fn what_is_taken_in_has_its_name_only_when_it_is_placed() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let before = write(&store, &state(0, 3), Some(0.5));
    let (config, schedule, state) = (config(), ScheduleState::new(0.1), state(0, 3));
    let saved = Saved { run_id: "another", config: &config, schedule: &schedule, evaluation: None, state: &state };
    assert!(store.staged(&before).unwrap().is_none());
    let (name, staged) = store.stage(&saved).unwrap();
    assert_eq!(store.list().unwrap()[0].1.run_id, RUN);
    // A coordinator that was killed here left it to the next one, which knows whether it was recorded.
    assert!(store.tidy(Some(&name)).unwrap().is_empty());
    assert_eq!(store.staged(&name).unwrap(), Some(staged.clone()));
    store.place(&name).unwrap();
    assert_eq!((name.clone(), staged), store.list().unwrap().remove(0));
    assert_eq!(entries(directory.path()), ["latest", &name]);
    store.stage(&saved).unwrap();
    assert!(store.tidy(None).unwrap().is_empty());
    assert!(store.staged(&name).unwrap().is_none());
}

#[test]
fn a_directory_that_is_not_there_is_empty_and_a_link_to_nothing_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("checkpoints");
    let store = Store::new(&root);
    assert!(store.newest().unwrap().0.is_none());
    symlink(directory.path().join("unmounted"), &root).unwrap();
    let error = store.newest().unwrap_err().to_string();
    assert!(error.contains("cannot read") && error.contains("checkpoints"), "{error}");
    assert!(save(&store, RUN, &state(0, 1), None).is_err());
}
