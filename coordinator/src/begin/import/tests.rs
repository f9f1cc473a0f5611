use super::*;
use crate::begin::tests::directories::{
    Found, checkpoints, copy, entries, found, journal, metrics, refused, run, save, start, train,
};
use plan::Position;
use std::fs;
use tempfile::TempDir;

/// A run of course 1 in `run`, and one of course 2 in `other`.
struct Place(TempDir);

impl Place {
    fn new(epochs: u32, others: u32) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        if epochs > 0 {
            run(&place.run(), 1, epochs);
        }
        run(&place.other(), 2, others);
        place
    }

    fn run(&self) -> PathBuf {
        self.0.path().join("run")
    }

    fn other(&self) -> PathBuf {
        self.0.path().join("other")
    }

    fn source(&self, name: &str) -> String {
        self.other().join("checkpoints").join(name).to_str().unwrap().to_owned()
    }

    fn own(&self, name: &str) -> String {
        self.run().join("checkpoints").join(name).to_str().unwrap().to_owned()
    }

    /// What a coordinator with `--resume PATH` finds.
    fn resumed(&self, path: &str) -> Found {
        found(&self.run(), &["--schedule", "constant", "--resume", path])
    }

    /// What a coordinator without it finds.
    fn plain(&self) -> Found {
        found(&self.run(), &["--schedule", "constant"])
    }
}

fn at(epoch: u32, step: u32) -> Position {
    Position { epoch, step }
}

fn on(course: u32, at: Position, epochs: impl IntoIterator<Item = u32>) -> Found {
    Found { course, at, epochs: epochs.into_iter().collect(), base: at.epoch }
}

#[test]
fn a_fresh_directory_begins_with_the_schedule_of_the_checkpoint() {
    let place = Place::new(0, 3);
    let path = place.source("step-00000020");
    assert_eq!(place.resumed(&path), on(2, at(2, 0), []));
    assert!(metrics(&place.run()).is_empty());
    // And goes on there, however often the command is given, or the same without the checkpoint.
    train(start(&place.run(), &["--schedule", "constant", "--resume", &path]).unwrap(), 2, 3);
    assert_eq!(place.resumed(&path), on(2, at(3, 0), [2]));
    assert_eq!(place.plain(), on(2, at(3, 0), [2]));
    assert_eq!(metrics(&place.run()), [2]);
    assert_eq!(checkpoints(&place.run()).len(), 2);
    // Should the newest be lost, its base is still what it was.
    fs::remove_dir_all(place.own("step-00000030")).unwrap();
    assert_eq!(place.plain(), on(2, at(2, 0), [2]));
}

#[test]
fn what_is_there_already_is_void_whether_it_is_shorter_or_longer() {
    for (epochs, taken) in [(1, 3), (3, 1), (3, 3), (2, 2)] {
        let place = Place::new(epochs, 3);
        let before = start(&place.run(), &["--schedule", "constant"]).unwrap().run_id;
        let path = place.source(&format!("step-000000{taken}0"));
        let flags = ["--schedule", "constant", "--epochs", "3", "--resume", &path];
        let begun = start(&place.run(), &flags);
        // Of three epochs one or two are done: the run becomes longer first where it is shorter.
        let begun = begun.unwrap();
        assert_eq!(Found::of(&begun), on(2, at(taken, 0), []), "{epochs} {taken}");
        assert_ne!(begun.run_id, before, "workers that hold a state of the run before are none of this one");
        drop(begun);
        assert!(metrics(&place.run()).is_empty());
        assert_eq!(entries(&place.run().join("checkpoints")), ["latest", &format!("step-000000{taken}0")]);
        let latest = fs::read_to_string(place.own("latest")).unwrap();
        assert_eq!(latest, format!("step-000000{taken}0\n"));
        assert_eq!(place.resumed(&path), on(2, at(taken, 0), []));
    }
}

#[test]
fn an_own_one_keeps_the_figures_of_before_and_the_checkpoints_too() {
    let place = Place::new(3, 1);
    let run_id = journal(&place.run()).run().unwrap().unwrap().0;
    let path = place.own("step-00000020");
    assert_eq!(place.resumed(&path), on(1, at(2, 0), [0, 1]));
    assert_eq!(journal(&place.run()).run().unwrap().unwrap().0, run_id);
    assert_eq!(entries(&place.run().join("checkpoints")), ["latest", "step-00000010", "step-00000020"]);
    // Once: what is trained after it stays.
    train(start(&place.run(), &["--schedule", "constant", "--resume", &path]).unwrap(), 1, 3);
    assert_eq!(place.resumed(&path), on(1, at(3, 0), 0..3));
    assert_eq!(metrics(&place.run()), [0, 1, 2]);
    // Another one, on purpose, and then the first again.
    assert_eq!(place.resumed(&place.own("step-00000010")), on(1, at(1, 0), [0]));
    train(start(&place.run(), &["--schedule", "constant"]).unwrap(), 1, 3);
    assert_eq!(place.resumed(&path), on(1, at(2, 0), [0, 1]));
}

#[test]
fn a_copy_of_an_own_one_is_of_the_same_course() {
    let place = Place::new(3, 1);
    let backup = place.0.path().join("backup");
    copy(Path::new(&place.own("step-00000030")), &backup);
    assert_eq!(place.resumed(&place.own("step-00000010")), on(1, at(1, 0), [0]));
    // The figures of the second epoch are gone: those that are left do not lead to it.
    assert_eq!(place.resumed(backup.to_str().unwrap()), on(1, at(3, 0), []));
    assert_eq!(entries(&place.run().join("checkpoints")), ["latest", "step-00000010", "step-00000030"]);
    let place = Place::new(3, 1);
    copy(Path::new(&place.own("step-00000020")), &backup);
    assert_eq!(place.resumed(backup.to_str().unwrap()), on(1, at(2, 0), [0, 1]));
}

#[test]
fn one_within_an_epoch_is_gone_on_from_there() {
    let place = Place::new(2, 3);
    let config = checkpoints(&place.other())[0].1.config.clone();
    let store = Store::new(place.other().join("checkpoints"));
    let name = save(&store, "another run", &config, 2, at(1, 7));
    assert_eq!(place.resumed(&place.source(&name)), on(2, at(1, 7), []));
}

#[test]
fn a_path_that_is_gone_or_has_become_another_is_not_looked_for_twice() {
    let place = Place::new(2, 3);
    let path = place.source("step-00000010");
    place.resumed(&path);
    train(start(&place.run(), &["--schedule", "constant"]).unwrap(), 2, 2);
    let own = on(2, at(2, 0), [1]);
    // A run that made it anew, and one that pruned it.
    fs::rename(place.source("step-00000030"), &path).unwrap_err();
    fs::remove_dir_all(&path).unwrap();
    copy(Path::new(&place.source("step-00000020")), Path::new(&path));
    assert_eq!(place.resumed(&path), own);
    fs::remove_dir_all(&path).unwrap();
    assert_eq!(place.resumed(&path), own);
    // The same checkpoint by another way is the same, a path that is nowhere is refused.
    let error = refused(&place.run(), &["--schedule", "constant", "--resume", &place.source("step-00000011")]);
    assert!(error.to_string().contains("cannot find") && error.exit_code() == 8, "{error}");
    assert_eq!(place.plain(), own);
}

#[test]
fn the_same_by_another_path_was_taken_in_already() {
    let place = Place::new(2, 3);
    place.resumed(&place.source("step-00000010"));
    train(start(&place.run(), &["--schedule", "constant"]).unwrap(), 2, 2);
    let moved = place.0.path().join("moved");
    fs::rename(place.other(), &moved).unwrap();
    let path = moved.join("checkpoints/step-00000010");
    assert_eq!(place.resumed(path.to_str().unwrap()), on(2, at(2, 0), [1]));
    assert_eq!(place.resumed(moved.join("checkpoints/step-00000020").to_str().unwrap()), on(2, at(2, 0), []));
}

/// Where a coordinator can be killed while it takes a checkpoint in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    Staged,
    Recorded,
    Removing,
    Placed,
}

/// Takes `path` in up to that point.
fn take_in_until(killed: Killed, run_dir: &Path, path: &str) {
    let (manifest, state) = checkpoint::read(Path::new(path)).unwrap();
    let source = Origin { path: path.into(), manifest, state };
    let (mut journal, store) = (journal(run_dir), Store::new(run_dir.join("checkpoints")));
    let (run_id, config) = journal.run().unwrap().unwrap();
    let staged = stage(&store, Some(run_id), "the next run".to_owned(), &config, &source).unwrap();
    if killed == Killed::Staged {
        return;
    }
    record(&mut journal, &staged, &config, &source).unwrap();
    if killed == Killed::Recorded {
        return;
    }
    for (name, _) in void(&store, &staged.import, &staged.run_id).unwrap() {
        store.remove(&name).unwrap();
        if killed == Killed::Removing {
            return;
        }
    }
    if store.staged(&staged.import.name).unwrap().is_some() {
        store.place(&staged.import.name).unwrap();
    }
}

#[test]
fn a_coordinator_that_is_killed_meanwhile_leaves_the_one_or_the_other() {
    for killed in [Killed::Staged, Killed::Recorded, Killed::Removing, Killed::Placed] {
        for with_path in [true, false] {
            let place = Place::new(3, 3);
            let path = place.source("step-00000020");
            take_in_until(killed, &place.run(), &path);
            let taken = on(2, at(2, 0), []);
            let expected = if with_path || killed != Killed::Staged { taken } else { on(1, at(3, 0), 0..3) };
            let again = || if with_path { place.resumed(&path) } else { place.plain() };
            assert_eq!(again(), expected, "{killed:?}");
            let names = entries(&place.run().join("checkpoints"));
            assert!(names.iter().all(|name| !name.starts_with('.')), "{killed:?}: {names:?}");
            assert_eq!(names.len(), if expected.course == 2 { 2 } else { 4 }, "{killed:?}: {names:?}");
            // It is done: what is trained from there on stays.
            train(start(&place.run(), &["--schedule", "constant"]).unwrap(), expected.course, 3);
            assert_eq!(again().at, at(3, 0), "{killed:?}");
        }
    }
}

#[test]
fn killed_or_not_an_own_one_is_what_the_run_goes_on_from() {
    for killed in [Killed::Recorded, Killed::Removing, Killed::Placed] {
        let place = Place::new(3, 1);
        take_in_until(killed, &place.run(), &place.own("step-00000010"));
        assert_eq!(place.plain(), on(1, at(1, 0), [0]), "{killed:?}");
        assert_eq!(entries(&place.run().join("checkpoints")), ["latest", "step-00000010"], "{killed:?}");
        assert_eq!(metrics(&place.run()).len(), 3, "the helm writes it anew");
    }
}

#[test]
fn what_was_to_be_taken_in_and_is_gone_is_not_replaced_by_a_run_from_the_start() {
    let place = Place::new(2, 3);
    let path = place.source("step-00000020");
    take_in_until(Killed::Recorded, &place.run(), &path);
    fs::remove_dir_all(place.own(".step-00000020.import")).unwrap();
    let error = refused(&place.run(), &["--schedule", "constant"]);
    assert_eq!(error.exit_code(), 8);
    assert!(error.to_string().contains("was to be taken in, and what was of it is gone"), "{error}");
    // The same command takes it in again.
    assert_eq!(place.resumed(&path), on(2, at(2, 0), []));
}

#[test]
fn what_cannot_be_understood_is_kept() {
    let place = Place::new(2, 3);
    let manifest = place.own("step-00000010/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap().replace("\"format\": 1", "\"format\": 2");
    fs::write(&manifest, text).unwrap();
    assert_eq!(place.resumed(&place.source("step-00000010")), on(2, at(1, 0), []));
    assert_eq!(entries(&place.run().join("checkpoints")), ["kept-step-00000010", "latest", "step-00000010"]);
}

#[test]
fn another_configuration_is_told_by_who_has_it() {
    let place = Place::new(2, 3);
    let path = place.source("step-00000010");
    let error = refused(&place.0.path().join("new"), &["--schedule", "constant", "--lr", "0.2", "--resume", &path]);
    assert_eq!(error.exit_code(), 4);
    let text = error.to_string();
    assert!(
        text.contains(&format!("checkpoint {path} is of a run with another")) && text.contains("lr: 0.1 -> 0.2"),
        "{text}"
    );
    // The directory's own comes first; where that fits, the checkpoint has to.
    let error = refused(&place.run(), &["--schedule", "constant", "--lr", "0.2", "--resume", &path]).to_string();
    assert!(error.contains("run holds a run with another configuration"), "{error}");
    let third = place.0.path().join("third");
    let begun = start(&third, &["--epochs", "2", "--lr", "0.2", "--schedule", "constant"]).unwrap();
    train(begun, 3, 2);
    let path = third.join("checkpoints/step-00000010");
    let error = refused(&place.run(), &["--schedule", "constant", "--resume", path.to_str().unwrap()]).to_string();
    assert!(
        error.contains("third/checkpoints/step-00000010 is of a run") && error.contains("lr: 0.2 -> 0.1"),
        "{error}"
    );
    // Nothing has happened.
    assert_eq!(place.plain(), on(1, at(2, 0), [0, 1]));
}

#[test]
fn it_can_become_longer_where_its_schedule_permits_it_and_not_shorter_than_it_is() {
    let place = Place::new(0, 2);
    let path = place.source("step-00000020");
    let new = place.0.path().join("longer");
    let begun = start(&new, &["--schedule", "constant", "--epochs", "5", "--resume", &path]).unwrap();
    assert_eq!((begun.config.epochs, begun.newest.unwrap().1.config.epochs), (5, 5));
    let error = refused(&place.run(), &["--schedule", "constant", "--epochs", "1", "--resume", &path]).to_string();
    let expected = format!("checkpoint {path} is of a run with another configuration:\n  epochs: 2 -> 1 (2 are begun");
    assert!(error.contains(&expected), "{error}");
    assert!(!place.run().join("checkpoints").exists());
}

#[test]
fn a_directory_whose_journal_was_lost_knows_its_own_by_their_place() {
    let place = Place::new(3, 1);
    let run_id = journal(&place.run()).run().unwrap().unwrap().0;
    fs::remove_file(place.own("../journal.sqlite")).unwrap();
    let path = place.own("step-00000020");
    assert_eq!(place.resumed(&path), on(1, at(2, 0), []));
    assert_eq!(journal(&place.run()).run().unwrap().unwrap().0, run_id);
    assert_eq!(entries(&place.run().join("checkpoints")), ["latest", "step-00000010", "step-00000020"]);
}
