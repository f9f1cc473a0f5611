pub mod directories;

use super::*;
use crate::journal::Entry;
use directories::{
    Found, checkpoints, entries, found, journal, metrics, record, refused, run, save, schedule, start, train,
};
use std::{os::unix::fs::symlink, path::Path};
use tempfile::TempDir;

/// A run of course 1 that has done so many epochs.
fn done(epochs: u32) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let run_dir = directory.path().join("run");
    run(&run_dir, 1, epochs);
    (directory, run_dir)
}

const CONSTANT: [&str; 2] = ["--schedule", "constant"];

fn with<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    [&CONSTANT[..], flags].concat()
}

fn on(epoch: u32, epochs: impl IntoIterator<Item = u32>) -> Found {
    Found { course: 1, at: Position { epoch, step: 0 }, epochs: epochs.into_iter().collect(), base: epoch }
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

/// An error that says all of `words`, and leaves nothing changed.
fn refuses(run_dir: &Path, flags: &[&str], code: u8, words: &[&str]) {
    let before = entries(&run_dir.join("checkpoints"));
    let error = refused(run_dir, flags);
    for word in words {
        assert!(error.to_string().contains(word), "{word:?} is not in {error}");
    }
    assert_eq!(error.exit_code(), code, "{error}");
    assert_eq!(entries(&run_dir.join("checkpoints")), before);
}

#[test]
fn a_run_goes_on_where_it_is_and_is_complete_at_its_end() {
    let (_directory, run_dir) = done(3);
    let begun = start(&run_dir, &CONSTANT).unwrap();
    assert_eq!(Found::of(&begun), on(3, 0..3));
    assert!(begun.start.is_complete(begun.config.epochs));
    assert_eq!(begun.config.epochs, 3, "what is not given is what the run has");
}

#[test]
fn what_no_new_run_may_have_ends_no_run_that_exists() {
    let (_directory, run_dir) = done(1);
    let warm = ["--schedule", "constant", "--warmup-epochs", "3"];
    let longer = [&warm[..], &["--epochs", "4"]].concat();
    let shorter = [&warm[..], &["--epochs", "2"]].concat();
    let other = run_dir.with_file_name("other");
    let error = refused(&other, &shorter);
    assert!(error.to_string().starts_with("--warmup-epochs 3 is impossible: "), "{error}");
    assert_eq!(error.exit_code(), 2, "{error}");
    train(start(&other, &longer).unwrap(), 1, 1);
    assert_eq!(start(&other, &shorter).unwrap().config.epochs, 2, "and it may become shorter than its warm-up");
}

#[test]
fn it_becomes_longer_and_that_is_recorded() {
    let (_directory, run_dir) = done(2);
    let begun = start(&run_dir, &with(&["--epochs", "4"])).unwrap();
    assert_eq!((Found::of(&begun), begun.config.epochs), (on(2, 0..2), 4));
    assert!(!begun.start.is_complete(begun.config.epochs));
    drop(begun);
    assert_eq!(journal(&run_dir).run().unwrap().unwrap().1.epochs, 4);
    let config =
        || -> RunConfig { serde_json::from_str(&fs::read_to_string(run_dir.join("config.json")).unwrap()).unwrap() };
    assert_eq!(config().epochs, 4);
    train(start(&run_dir, &CONSTANT).unwrap(), 1, 3);
    // And shorter, but not than it is.
    let too_short = ["epochs: 4 -> 2 (3 are begun or done already)", "run holds a run with another configuration"];
    refuses(&run_dir, &with(&["--epochs", "2"]), 4, &too_short);
    let begun = start(&run_dir, &with(&["--epochs", "3"])).unwrap();
    assert!(begun.start.is_complete(begun.config.epochs));
    assert_eq!(config().epochs, 3);
}

#[test]
fn an_epoch_that_is_begun_counts() {
    let (_directory, run_dir) = done(2);
    let begun = start(&run_dir, &with(&["--epochs", "4"])).unwrap();
    let store = Store::new(run_dir.join("checkpoints"));
    save(&store, &begun.run_id, &begun.config, 1, Position { epoch: 2, step: 3 });
    drop(begun);
    refuses(&run_dir, &with(&["--epochs", "2"]), 4, &["(3 are begun or done already)"]);
    assert_eq!(start(&run_dir, &with(&["--epochs", "3"])).unwrap().config.epochs, 3);
}

#[test]
fn a_schedule_that_spreads_over_all_epochs_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let run_dir = directory.path().join("run");
    train(start(&run_dir, &["--schedule", "cosine", "--epochs", "2"]).unwrap(), 1, 1);
    let words = ["epochs: 2 -> 3 (the cosine schedule spreads over all epochs"];
    refuses(&run_dir, &["--schedule", "cosine", "--epochs", "3"], 4, &words);
    assert_eq!(start(&run_dir, &["--schedule", "cosine"]).unwrap().config.epochs, 2);
}

#[test]
fn what_a_newer_version_wrote_is_never_begun_over() {
    let (_directory, run_dir) = done(3);
    for (name, _) in checkpoints(&run_dir) {
        edit(
            &run_dir.join("checkpoints").join(name).join("manifest.json"),
            "\"run_id\"",
            "\"colour\": 1,\n  \"run_id\"",
        );
    }
    let words = [
        "a run was in",
        "step-00000030/manifest.json is of a newer version",
        "unknown field `colour`",
        "step-00000010",
    ];
    refuses(&run_dir, &CONSTANT, 8, &words);
    // Nor is it without a journal, which would tell that something was.
    fs::remove_file(run_dir.join("journal.sqlite")).unwrap();
    refuses(&run_dir, &CONSTANT, 8, &words);
    refuses(&run_dir, &with(&["--resume", "never"]), 8, &words);
}

#[test]
fn what_is_damaged_forbidden_or_of_another_run_is_passed_over_where_there_is_something_else() {
    let (directory, run_dir) = done(3);
    let path = |name: &str| run_dir.join("checkpoints").join(name);
    fs::remove_file(path("step-00000030/manifest.json")).unwrap();
    fs::create_dir(path("step-00000030/manifest.json")).unwrap();
    fs::write(path("step-00000020/model.safetensors"), "").unwrap();
    let other = directory.path().join("other");
    run(&other, 2, 3);
    fs::create_dir(path("step-00000040")).unwrap();
    for file in entries(&other.join("checkpoints/step-00000030")) {
        fs::copy(other.join("checkpoints/step-00000030").join(&file), path("step-00000040").join(&file)).unwrap();
    }
    assert_eq!(found(&run_dir, &CONSTANT), on(1, 0..3), "a worker may hold what came after");
    assert_eq!(fs::read_to_string(path("latest")).unwrap(), "step-00000010\n");
    // What needs their names does not overwrite them.
    fs::rename(path("step-00000040"), path("step-00000050")).unwrap();
    train(start(&run_dir, &CONSTANT).unwrap(), 1, 3);
    journal(&run_dir).commit([Entry::Rewind { epoch: 1 }]).unwrap();
    train(start(&run_dir, &CONSTANT).unwrap(), 1, 3);
    let expected =
        ["kept-step-00000020", "kept-step-00000030", "latest", "step-00000010", "step-00000020", "step-00000030"];
    assert_eq!(entries(&run_dir.join("checkpoints"))[..6], expected);
    assert_eq!(found(&run_dir, &CONSTANT), on(3, 0..3));
    fs::remove_dir_all(path("step-00000010")).unwrap();
    fs::remove_dir_all(path("step-00000020")).unwrap();
    fs::remove_dir_all(path("step-00000030")).unwrap();
    refuses(&run_dir, &CONSTANT, 8, &["step-00000050 is of run", "not of this one"]);
}

#[test]
fn a_run_whose_checkpoints_are_gone_does_not_begin_anew() {
    let (_directory, run_dir) = done(3);
    let root = run_dir.join("checkpoints");
    fs::remove_dir_all(&root).unwrap();
    let error = refused(&run_dir, &CONSTANT);
    assert_eq!(error.exit_code(), 8);
    assert!(
        error.to_string().contains("the journal tells of checkpoint step-00000030, and there is none in"),
        "{error}"
    );
    symlink("/nowhere", &root).unwrap();
    let error = refused(&run_dir, &CONSTANT);
    assert!(error.to_string().contains("cannot read") && error.exit_code() == 8, "{error}");
    fs::remove_file(&root).unwrap();
    fs::remove_file(run_dir.join("journal.sqlite")).unwrap();
    let error = refused(&run_dir, &CONSTANT);
    assert!(error.to_string().contains("metrics.jsonl tells of epochs"), "{error}");
    assert_eq!(metrics(&run_dir), [0, 1, 2]);
}

#[test]
fn epochs_of_which_no_checkpoint_was_ever_written_are_done_again_unless_a_worker_holds_them() {
    let directory = tempfile::tempdir().unwrap();
    let run_dir = directory.path().join("run");
    let mut begun = start(&run_dir, &CONSTANT).unwrap();
    begun.journal.commit([Entry::Epoch(Box::new(record(1, 0)))]).unwrap();
    drop(begun);
    let begun = start(&run_dir, &CONSTANT).unwrap();
    assert_eq!((begun.start.history.len(), begun.start.checkpoint.is_none(), begun.start.base.0), (1, true, 0));
}

#[test]
fn a_run_whose_journal_is_gone_goes_on_as_the_run_that_it_is() {
    let (_directory, run_dir) = done(3);
    let run_id = checkpoints(&run_dir)[0].1.run_id.clone();
    fs::remove_file(run_dir.join("journal.sqlite")).unwrap();
    let differs = ["run holds a run with another configuration", "lr: 0.1 -> 0.2"];
    refuses(&run_dir, &with(&["--lr", "0.2"]), 4, &differs);
    refuses(&run_dir, &with(&["--resume", "never"]), 4, &["holds a run already"]);
    let begun = start(&run_dir, &with(&["--epochs", "5"])).unwrap();
    assert_eq!((Found::of(&begun), &begun.run_id, begun.config.epochs), (on(3, []), &run_id, 5));
    train(begun, 1, 4);
    assert_eq!(found(&run_dir, &CONSTANT), on(4, [3]));
    assert_eq!(metrics(&run_dir), [3]);
    let kept = fs::read_to_string(run_dir.join("kept-metrics.jsonl")).unwrap();
    assert_eq!(kept.lines().count(), 3);
}

#[test]
fn records_that_do_not_lead_to_the_checkpoint_do_not_decide_its_learning_rate() {
    // A full disk did not take the last records, and the coordinator was killed.
    let (_directory, run_dir) = done(3);
    journal(&run_dir).commit([Entry::Rewind { epoch: 1 }]).unwrap();
    assert_eq!(found(&run_dir, &CONSTANT), on(3, []));
    train(start(&run_dir, &with(&["--epochs", "4"])).unwrap(), 1, 4);
    assert_eq!(found(&run_dir, &CONSTANT), on(4, [3]));
    // Of another course, as an import of an earlier version could leave them.
    let (_directory, run_dir) = done(3);
    let mut other = record(1, 2);
    other.schedule = schedule(2, 3);
    journal(&run_dir).commit([Entry::Epoch(Box::new(other))]).unwrap();
    assert_eq!(found(&run_dir, &CONSTANT), on(3, []));
}

#[test]
fn what_a_kill_left_is_cleaned_up() {
    let (_directory, run_dir) = done(2);
    for name in ["config.json.new", "metrics.jsonl.new", "summary.json.new", "checkpoints/.latest.new"] {
        fs::write(run_dir.join(name), "half").unwrap();
    }
    fs::create_dir(run_dir.join("checkpoints/.step-00000030.new")).unwrap();
    fs::rename(run_dir.join("checkpoints/step-00000020"), run_dir.join("checkpoints/.step-00000020.old")).unwrap();
    fs::write(run_dir.join("checkpoints/latest"), "step-00000030\n").unwrap();
    // Not by one that finds another at work.
    let other = journal(&run_dir);
    let before = (entries(&run_dir), entries(&run_dir.join("checkpoints")));
    assert_eq!(refused(&run_dir, &CONSTANT).exit_code(), 4);
    assert_eq!((entries(&run_dir), entries(&run_dir.join("checkpoints"))), before);
    drop(other);
    assert_eq!(found(&run_dir, &CONSTANT), on(2, 0..2));
    assert_eq!(entries(&run_dir), ["checkpoints", "config.json", "journal.sqlite", "metrics.jsonl"]);
    assert_eq!(entries(&run_dir.join("checkpoints")), ["latest", "step-00000010", "step-00000020"]);
    assert_eq!(fs::read_to_string(run_dir.join("checkpoints/latest")).unwrap(), "step-00000020\n");
}

#[test]
fn the_configuration_for_scripts_says_what_the_journal_says() {
    let (_directory, run_dir) = done(1);
    let path = run_dir.join("config.json");
    let expected = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    found(&run_dir, &CONSTANT);
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let newer = expected.replacen('{', "{\"colour\": 1,", 1);
    for content in ["", "{", &newer] {
        fs::write(&path, content).unwrap();
        found(&run_dir, &CONSTANT);
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }
    let kept = ["kept-config.json", "kept-2-config.json", "kept-3-config.json"];
    assert_eq!(kept.map(|name| fs::read_to_string(run_dir.join(name)).unwrap()), ["", "{", &newer]);
}

#[test]
fn nothing_is_begun_where_something_is() {
    let (_directory, run_dir) = done(1);
    refuses(&run_dir, &with(&["--resume", "never"]), 4, &["holds a run already"]);
    refuses(&run_dir, &with(&["--seed", "20"]), 4, &["seed: 0 -> 20"]);
    let unrunnable =
        begin(&directories::args(&run_dir, &with(&["--epochs", "7"])), |_| Err(Error::Spawn("no data".to_owned())));
    assert_eq!(unrunnable.map(|begun| begun.start).unwrap_err().exit_code(), 5);
    assert_eq!(journal(&run_dir).run().unwrap().unwrap().1.epochs, 1, "before anything is recorded");
}
