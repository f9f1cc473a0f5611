use super::*;
use plan::{Confusion, Position};
use schedule::ScheduleState;
use std::fs;

fn generation(generation: u64) -> Entry {
    Entry::Generation { generation, members: vec!["a".to_owned(), "b".to_owned()], reason: String::new() }
}

fn epoch(number: f64) -> EpochRecord {
    EpochRecord {
        epoch: 0,
        train_loss: number,
        train_accuracy: 0.1,
        train_images: 512,
        test_loss: number,
        test_accuracy: 0.1,
        confusion: Confusion::new(2),
        lr: 100.0,
        seconds: 1.0,
        train_seconds: 1.0,
        images_per_second: 512.0,
        note: None,
        schedule: ScheduleState::new(100.0),
    }
}

#[test]
fn a_second_coordinator_is_kept_out() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = Journal::open(directory.path()).unwrap();
    first.record(0.0, [generation(3)]).unwrap();
    assert!(matches!(Journal::open(directory.path()), Err(Error::Busy { .. })));
    drop(first);
    let journal = Journal::open(directory.path()).unwrap();
    assert_eq!((journal.last_generation().unwrap(), journal.last_members().unwrap()), (3, 2));
}

#[test]
fn what_a_full_disk_does_not_take_is_written_later() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(directory.path()).unwrap();
    let limit = |journal: &Journal, pages: i64| {
        journal.connection.pragma_update(None, "max_page_count", pages).unwrap();
    };
    let pages: i64 = journal.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    limit(&journal, pages);
    let long = "what happened ".repeat(1000);
    journal.record(0.0, [Entry::Event(long.clone())]).unwrap();
    assert!(journal.refused().unwrap().contains("full"), "{:?}", journal.refused());
    assert!(matches!(journal.settle(), Err(Error::RunDir { .. })));
    journal.record(0.0, [generation(1)]).unwrap();
    journal.record(0.0, [generation(2)]).unwrap();
    assert_eq!(journal.last_generation().unwrap(), 0, "in their order, and none without those before");
    limit(&journal, 1000);
    journal.settle().unwrap();
    assert_eq!((journal.refused(), journal.last_generation().unwrap()), (None, 2));
    let events: Vec<String> = journal
        .connection
        .prepare("SELECT text FROM events")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .unwrap();
    assert_eq!(events, [long]);
}

#[test]
fn numbers_that_are_none_are_read_as_they_were_written() {
    let directory = tempfile::tempdir().unwrap();
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1 + 0.2] {
        let mut journal = Journal::open(directory.path()).unwrap();
        journal.record(0.0, [Entry::Epoch(Box::new(epoch(number)))]).unwrap();
        drop(journal);
        let read = Journal::open(directory.path()).unwrap().epochs().unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", [epoch(number)]));
    }
}

#[test]
fn a_journal_of_an_earlier_version_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    // Without imports, without a version, and with null for a loss that was no number.
    let record = serde_json::to_string(&epoch(1.5)).unwrap().replace("\"test_loss\":1.5", "\"test_loss\":null");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT")
        .and_then(|()| connection.execute("INSERT INTO epochs VALUES (0, ?1)", [record]))
        .unwrap();
    drop(connection);
    let journal = Journal::open(directory.path()).unwrap();
    assert!(journal.epochs().unwrap()[0].test_loss.is_nan());
    assert_eq!(journal.last_import().unwrap(), None);
}

#[test]
fn a_journal_of_a_newer_version_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::open(directory.path()).unwrap();
    journal.connection.pragma_update(None, "user_version", 3).unwrap();
    drop(journal);
    let path = directory.path().join(FILE);
    let before = fs::read(&path).unwrap();
    let error = Journal::open(directory.path()).unwrap_err();
    assert_eq!(error.exit_code(), 9);
    let expected = "journal.sqlite: it is of a newer version of coxswain (its tables are of version 3, and this version \
                    knows 2)";
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_record_of_a_newer_version_is_told_from_damage() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(directory.path()).unwrap();
    journal.record(0.0, [Entry::Epoch(Box::new(epoch(1.5)))]).unwrap();
    let set = |journal: &Journal, record: &str| journal.connection.execute("UPDATE epochs SET record = ?1", [record]);
    let record = serde_json::to_string(&epoch(1.5)).unwrap();
    set(&journal, &record.replacen('{', "{\"colour\":1,", 1)).unwrap();
    let error = journal.epochs().unwrap_err().to_string();
    assert!(error.contains("of a newer version of coxswain (an epoch: unknown field `colour`"), "{error}");
    set(&journal, &record[..40]).unwrap();
    let error = journal.epochs().unwrap_err().to_string();
    assert!(error.contains("it is damaged (an epoch: EOF") && error.contains("--resume PATH"), "{error}");
}

#[test]
fn a_file_that_is_no_journal_or_half_of_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    let mut journal = Journal::open(directory.path()).unwrap();
    for number in 1..200 {
        journal.record(0.0, [generation(number)]).unwrap();
        journal.record(0.0, [Entry::Event("what happened ".repeat(50))]).unwrap();
    }
    drop(journal);
    let whole = fs::read(&path).unwrap();
    let mut torn = whole.clone();
    torn[8192..16384].fill(0xa5);
    for content in
        [&b"this is no journal, and was never meant to be one".repeat(100), &torn, &whole[..whole.len() / 2].to_vec()]
    {
        fs::write(&path, content).unwrap();
        let error = Journal::open(directory.path()).unwrap_err().to_string();
        assert!(error.contains("cannot understand") && error.contains("it is damaged"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), *content);
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(Journal::open(directory.path()).unwrap().last_generation().unwrap(), 199);
}

#[test]
fn what_is_committed_together_is_there_together_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(directory.path()).unwrap();
    let pages: i64 = journal.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    journal.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let content = Content {
        run_id: "another".to_owned(),
        position: Position { epoch: 1, step: 0 },
        weights_sha256: "00".to_owned(),
        files: std::collections::BTreeMap::default(),
    };
    let import = Import { path: "/x".to_owned(), content, name: "step-1".to_owned(), instead_of: None };
    let entries = || [generation(1), Entry::Import(Box::new(import.clone())), Entry::Event("long ".repeat(4000))];
    assert!(journal.commit(entries()).is_err());
    assert_eq!((journal.last_generation().unwrap(), journal.last_import().unwrap()), (0, None));
    drop(journal);
    let mut journal = Journal::open(directory.path()).unwrap();
    journal.commit(entries()).unwrap();
    assert_eq!(journal.last_import().unwrap(), Some((import.clone(), false)));
    journal.commit([Entry::ImportDone]).unwrap();
    assert_eq!(journal.last_import().unwrap(), Some((import, true)));
}

#[test]
fn who_looks_at_a_live_run_sees_what_its_journal_holds() {
    let directory = tempfile::tempdir().unwrap();
    let entries = [
        Entry::Run { id: "r1".to_owned(), config: Box::default() },
        generation(1),
        Entry::Event("begun".to_owned()),
        Entry::Epoch(Box::new(epoch(f64::NAN))),
        Entry::Epoch(Box::new(EpochRecord { epoch: 1, ..epoch(0.5) })),
        Entry::Rewind { epoch: 1 },
        Entry::Void { generation: 1 },
        Entry::Checkpoint { name: "step-00000009".to_owned(), steps_done: 9 },
        Entry::Recovery(Recovery { kind: "a lost".to_owned(), detected_ms: 5, resumed_ms: None, generation: 2 }),
    ];
    let mut live = Chronicle::default();
    let mut journal = Journal::open(directory.path()).unwrap();
    for (at, entry) in (1_u32..).zip(entries) {
        entry.fact().into_iter().for_each(|fact| live.add(at.into(), fact));
        journal.record(at.into(), [entry]).unwrap();
    }
    let text = |chronicle: &Chronicle| {
        let all = [
            format!("{} {} {:?}", chronicle.id(), chronicle.config(), chronicle.epochs()),
            format!("{:?}", chronicle.generations().collect::<Vec<_>>()),
            format!("{:?}", chronicle.checkpoints().collect::<Vec<_>>()),
            format!("{:?}", chronicle.recoveries().collect::<Vec<_>>()),
            format!("{:?}", chronicle.events().collect::<Vec<_>>()),
        ];
        all.join("\n")
    };
    assert_eq!(live.epochs().len(), 1);
    assert_eq!(text(&journal.chronicle().unwrap()), text(&live));
    assert!(matches!(chronicle::read(directory.path()), Err(chronicle::Error::Live { .. })));
    drop(journal);
    // A name that a URI has to be told of.
    let elsewhere = directory.path().join("a copy? 100%#1");
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(directory.path().join(FILE), elsewhere.join(FILE)).unwrap();
    for run_dir in [directory.path(), &elsewhere] {
        assert_eq!(text(&chronicle::read(run_dir).unwrap()), text(&live), "{}", run_dir.display());
    }
}
