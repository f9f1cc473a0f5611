//! What has the name of a checkpoint and cannot be understood is told by name, counts for nothing, and is kept.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use checkpoint::{Error, Retention, Store, read, read_manifest};
use common::{RUN, edit, entries, names, save, state, write};
use sha2::{Digest, Sha256};
use std::{fs, path::Path, process::Command};

fn refused(change: impl Fn(&Path)) -> Error {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let name = write(&store, &state(1, 3), Some(0.9));
    change(&store.path(&name));
    let (newest, passed_over) = store.newest().unwrap();
    assert!(newest.is_none());
    assert_eq!(passed_over.len(), 1);
    read(&store.path(&name)).unwrap_err()
}

#[test]
fn a_newer_version_is_told_from_damage() {
    let changed = |from: &'static str, to: &'static str| {
        refused(move |path| edit(path, |text| text.replacen(from, to, 1))).to_string()
    };
    for (from, to, why) in [
        ("\"format\": 1", "\"format\": 2", "its format is 2, and this version knows 1"),
        ("\"run_id\"", "\"colour\": 1, \"run_id\"", "unknown field `colour`"),
        ("\"epochs\": 3", "\"epochs\": 3, \"colour\": 1", "unknown field `colour`"),
        ("\"patience\"", "\"colour\": 1, \"patience\"", "unknown field `colour`"),
        ("\"bytes\"", "\"colour\": 1, \"bytes\"", "unknown field `colour`"),
        ("\"fp32\"", "\"fp8\"", "unknown variant `fp8`"),
        ("resnet20", "resnet21", "resnet21"),
    ] {
        let text = changed(from, to);
        assert!(text.contains("manifest.json is of a newer version") && text.contains(why), "{text}");
    }
    for (from, to, why) in [
        ("\"format\": 1,", "", "it does not say of which format it is"),
        ("\"steps_done\": 13", "\"steps_done\": 14", "epoch 2, step 3 of 10 steps an epoch is not after 14 steps"),
        ("\"run_id\": \"a run\",", "", "missing field `run_id`"),
        ("\"lr\": 0.1", "\"lr\": -0.1", "--lr -0.1 is impossible"),
        ("\"run_id\"", "run_id", "key must be a string"),
    ] {
        let text = changed(from, to);
        assert!(text.contains("manifest.json is damaged") && text.contains(why), "{text}");
    }
}

#[test]
fn what_is_not_there_is_told_from_what_is_forbidden() {
    let missing = refused(|path| fs::remove_file(path.join("manifest.json")).unwrap());
    assert!(matches!(missing, Error::NotACheckpoint { .. }), "{missing}");
    // As root may read everything, a directory stands for a file that may not be read.
    let forbidden = refused(|path| {
        fs::remove_file(path.join("manifest.json")).unwrap();
        fs::create_dir(path.join("manifest.json")).unwrap();
    });
    assert!(forbidden.to_string().contains("cannot read"), "{forbidden}");
    // Whoever opened a pipe would wait for ever.
    let pipe = refused(|path| {
        fs::remove_file(path.join("manifest.json")).unwrap();
        assert!(Command::new("mkfifo").arg(path.join("manifest.json")).status().unwrap().success());
    });
    assert!(pipe.to_string().contains("manifest.json: it is no file"), "{pipe}");
    let nowhere = read_manifest(Path::new("/nowhere/step-1")).unwrap_err().to_string();
    assert!(nowhere.starts_with("cannot find /nowhere/step-1: No such file"), "{nowhere}");
}

#[test]
fn weights_that_are_no_numbers_are_not_gone_on_from() {
    let error = refused(|path| {
        let file = path.join("model.safetensors");
        let before = fs::read(&file).unwrap();
        let mut after = before.clone();
        let end = after.len();
        after[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        fs::write(&file, &after).unwrap();
        let hex =
            |bytes: &[u8]| Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        edit(path, |text| text.replace(&hex(&before), &hex(&after)));
    });
    assert!(matches!(error, Error::Diverged { .. }), "{error}");
}

#[test]
fn it_is_never_overwritten_pruned_or_counted() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path()).of_run(RUN);
    let newer = write(&store, &state(0, 1), Some(0.9));
    edit(&store.path(&newer), |text| text.replace("\"format\": 1", "\"format\": 2"));
    let other = save(&store, "another run", &state(0, 2), Some((1.0, 0.8))).unwrap();
    let damaged = write(&store, &state(0, 3), Some(0.7));
    fs::write(store.path(&damaged).join("training.safetensors"), "").unwrap();
    fs::create_dir(store.path("step-by-step")).unwrap();
    let good = write(&store, &state(0, 4), Some(0.3));

    assert_eq!(names(&store.list().unwrap()), [good.as_str()]);
    assert_eq!(store.best().unwrap().unwrap().0, good);
    assert!(store.prune(Retention { last: 1, best: false }).unwrap().is_empty());
    let (newest, passed_over) = store.newest().unwrap();
    assert_eq!(newest.unwrap().0, good);
    let told: Vec<&str> = passed_over.iter().map(|passed_over| passed_over.name.as_str()).collect();
    assert_eq!(told, ["step-by-step", damaged.as_str(), other.as_str(), newer.as_str()]);
    assert!(passed_over[2].why.to_string().contains("is of run another run, not of this one"), "{passed_over:?}");

    // What needs its name gets it, and what had it stays under another.
    for (step, name) in [(1, &newer), (2, &other), (3, &damaged), (4, &good), (3, &damaged)] {
        assert_eq!(write(&store, &state(0, step), None), *name);
    }
    let kept = [&damaged, &newer, &other].map(|name| format!("kept-{name}"));
    let expected = [&kept[1], &kept[2], &kept[0], "latest", &newer, &other, &damaged, &good, "step-by-step"];
    assert_eq!(entries(directory.path()), expected);
    assert_eq!(
        fs::read_to_string(store.path(&kept[1]).join("manifest.json")).unwrap().matches("\"format\": 2").count(),
        1
    );
}

#[test]
fn a_checkpoint_under_another_name_is_none_of_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::new(directory.path());
    let name = write(&store, &state(0, 1), None);
    fs::rename(store.path(&name), store.path("step-best")).unwrap();
    let (newest, passed_over) = store.newest().unwrap();
    assert!(newest.is_none());
    assert!(passed_over[0].why.to_string().contains("it is not step-00000001"), "{passed_over:?}");
    read(&store.path("step-best")).unwrap();
}
