//! All that is known of a run, as tables in memory for `cox query`. Names and units are those of the protocol.

use crate::{error::Failure, settings, source::Source};
use proto::v1::{Checkpoint, Epoch, Event, Generation, Recovery, Run, Worker};
use rusqlite::{Connection, Transaction, params};
use serde_json::Value;

/// The tables. Numbers that are none, such as NaN, are NULL.
pub const SCHEMA: &str = "\
-- The run, in one row.
CREATE TABLE run (id TEXT, state TEXT, reason TEXT, epoch INTEGER, step INTEGER, steps_per_epoch INTEGER,
  generation INTEGER, checkpoint TEXT, best_checkpoint TEXT, best_accuracy REAL, wall_seconds REAL, weights_sha256 TEXT);
-- All that decides the weights, as in config.json. Names of groups are joined by dots.
CREATE TABLE settings (name TEXT PRIMARY KEY, value);
-- The epochs that are done, from 0. Fractions are 0 to 1.
CREATE TABLE epochs (epoch INTEGER PRIMARY KEY, train_loss REAL, train_accuracy REAL, train_images INTEGER, test_loss REAL,
  test_accuracy REAL, learning_rate REAL, seconds REAL, train_seconds REAL, images_per_second REAL, note TEXT);
-- How many test images of each class were taken for which, after each epoch.
CREATE TABLE confusion (epoch INTEGER, class TEXT, answer TEXT, class_index INTEGER, answer_index INTEGER, images INTEGER);
-- The sets of workers that trained together. Members are joined by commas, by rank.
CREATE TABLE generations (generation INTEGER PRIMARY KEY, formed_at REAL, size INTEGER, members TEXT, reason TEXT);
-- The checkpoints that were written. Of those that are gone, figures are NULL.
CREATE TABLE checkpoints (name TEXT PRIMARY KEY, epoch INTEGER, step INTEGER, steps_done INTEGER, test_accuracy REAL,
  test_loss REAL, written_at REAL, bytes INTEGER, on_disk INTEGER, newest INTEGER, best INTEGER, weights_sha256 TEXT);
-- The failures that were survived.
CREATE TABLE recoveries (kind TEXT, detected_ms INTEGER, resumed_ms INTEGER, generation INTEGER);
-- What happened, in words. Times are in seconds since 1970.
CREATE TABLE events (number INTEGER PRIMARY KEY, at REAL, text TEXT);
-- The workers that are attached. Of a run that is over there are none.
CREATE TABLE workers (name TEXT PRIMARY KEY, device TEXT, device_name TEXT, rank INTEGER, shards INTEGER, epoch INTEGER,
  step INTEGER, compute_seconds REAL, wait_seconds REAL, preparing INTEGER, strikes INTEGER, set_aside TEXT);
";

/// All that is known of a run.
#[derive(Debug, Default)]
pub struct Records {
    /// As it stands.
    pub run: Run,
    /// With counts of answers, if those are wanted.
    pub epochs: Vec<Epoch>,
    /// Oldest first, as all lists.
    pub generations: Vec<Generation>,
    /// Those that were written.
    pub checkpoints: Vec<Checkpoint>,
    /// Those that were survived.
    pub recoveries: Vec<Recovery>,
    /// In words.
    pub events: Vec<Event>,
}

impl Records {
    /// What `source` knows. Counts of answers are many, and are left out unless `with_confusion`.
    ///
    /// # Errors
    /// If it does not tell.
    pub async fn of(source: &Source, with_confusion: bool) -> Result<Self, Failure> {
        Ok(Self {
            run: source.run().await?,
            epochs: source.epochs(with_confusion).await?,
            generations: source.generations().await?,
            checkpoints: source.checkpoints().await?,
            recoveries: source.recoveries().await?,
            events: source.events(0, "").await?,
        })
    }
}

/// A database in memory with all of `records`.
///
/// # Errors
/// If SQLite cannot make it.
pub fn of(records: &Records) -> Result<Connection, rusqlite::Error> {
    let mut database = Connection::open_in_memory()?;
    database.execute_batch(SCHEMA)?;
    let transaction = database.transaction()?;
    add_run(&transaction, &records.run)?;
    add_epochs(&transaction, &records.epochs)?;
    add_confusion(&transaction, &records.epochs, &settings::classes(&records.run))?;
    add_lists(&transaction, records)?;
    add_workers(&transaction, &records.run.workers)?;
    transaction.commit()?;
    Ok(database)
}

fn add_run(to: &Transaction<'_>, run: &Run) -> Result<(), rusqlite::Error> {
    to.execute(
        "INSERT INTO run VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
        params![
            run.id,
            view::word(run.state()),
            run.reason,
            run.epoch,
            run.step,
            run.steps_per_epoch,
            run.generation as i64,
            run.checkpoint,
            run.best_checkpoint,
            run.best_accuracy,
            run.wall_seconds,
            run.weights_sha256
        ],
    )?;
    let mut insert = to.prepare("INSERT INTO settings VALUES (?1,?2)")?;
    for (name, value) in settings::flat(run) {
        let value = match value {
            Value::Null => rusqlite::types::Value::Null,
            Value::Bool(is) => rusqlite::types::Value::Integer(is.into()),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => rusqlite::types::Value::Integer(whole),
                None => rusqlite::types::Value::Real(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => rusqlite::types::Value::Text(text),
            other => rusqlite::types::Value::Text(other.to_string()),
        };
        insert.execute(params![name, value])?;
    }
    Ok(())
}

fn add_epochs(to: &Transaction<'_>, epochs: &[Epoch]) -> Result<(), rusqlite::Error> {
    let mut insert = to.prepare("INSERT INTO epochs VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)")?;
    for epoch in epochs {
        insert.execute(params![
            epoch.epoch,
            epoch.train_loss,
            epoch.train_accuracy,
            epoch.train_images as i64,
            epoch.test_loss,
            epoch.test_accuracy,
            epoch.learning_rate,
            epoch.seconds,
            epoch.train_seconds,
            epoch.images_per_second,
            epoch.note
        ])?;
    }
    Ok(())
}

fn add_confusion(to: &Transaction<'_>, epochs: &[Epoch], names: &[String]) -> Result<(), rusqlite::Error> {
    let mut insert = to.prepare("INSERT INTO confusion VALUES (?1,?2,?3,?4,?5,?6)")?;
    let name = |class: usize| names.get(class).map_or_else(|| class.to_string(), Clone::clone);
    for epoch in epochs {
        let side = epoch.confusion.len().isqrt().max(1);
        for (index, images) in epoch.confusion.iter().enumerate() {
            let (class, answer) = (index / side, index % side);
            insert.execute(params![epoch.epoch, name(class), name(answer), class as i64, answer as i64, images])?;
        }
    }
    Ok(())
}

fn add_lists(to: &Transaction<'_>, records: &Records) -> Result<(), rusqlite::Error> {
    let mut insert = to.prepare("INSERT OR REPLACE INTO generations VALUES (?1,?2,?3,?4,?5)")?;
    for Generation { generation, members, reason, formed_at } in &records.generations {
        insert.execute(params![*generation as i64, formed_at, members.len() as i64, members.join(","), reason])?;
    }
    let mut insert =
        to.prepare("INSERT OR REPLACE INTO checkpoints VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")?;
    for checkpoint in &records.checkpoints {
        insert.execute(params![
            checkpoint.name,
            checkpoint.epoch,
            checkpoint.step,
            checkpoint.steps_done as i64,
            checkpoint.test_accuracy,
            checkpoint.test_loss,
            checkpoint.written_at,
            Some(checkpoint.bytes as i64).filter(|_| checkpoint.on_disk),
            checkpoint.on_disk,
            checkpoint.newest,
            checkpoint.best,
            Some(&checkpoint.weights_sha256).filter(|_| checkpoint.on_disk)
        ])?;
    }
    let mut insert = to.prepare("INSERT INTO recoveries VALUES (?1,?2,?3,?4)")?;
    for Recovery { kind, detected_ms, resumed_ms, generation } in &records.recoveries {
        let resumed = resumed_ms.map(|resumed| resumed as i64);
        insert.execute(params![kind, *detected_ms as i64, resumed, *generation as i64])?;
    }
    let mut insert = to.prepare("INSERT OR REPLACE INTO events VALUES (?1,?2,?3)")?;
    for Event { number, at, text } in &records.events {
        insert.execute(params![*number as i64, at, text])?;
    }
    Ok(())
}

fn add_workers(to: &Transaction<'_>, workers: &[Worker]) -> Result<(), rusqlite::Error> {
    let mut insert = to.prepare("INSERT OR REPLACE INTO workers VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)")?;
    for worker in workers {
        insert.execute(params![
            worker.name,
            worker.device,
            worker.device_name,
            worker.rank,
            worker.shards.len() as i64,
            worker.epoch,
            worker.step,
            worker.compute_seconds,
            worker.wait_seconds,
            worker.preparing,
            worker.strikes,
            worker.set_aside
        ])?;
    }
    Ok(())
}
