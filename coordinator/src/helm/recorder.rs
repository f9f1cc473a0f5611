//! The thread that writes down what happens: journal, metrics.jsonl and, in the end, summary.json. Nobody else waits
//! for a disk. What an order depends on is on disk before the order is sent ([`Recorder::record`]).

use crate::{
    error::Error,
    helm::{input::HelmInput, records::Records},
    journal::Entry,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tokio::sync::mpsc;

/// Between two attempts at what a disk did not take.
const RETRY: Duration = Duration::from_secs(1);
/// Words for people that wait for a disk at most. What orders depend on always has a place, for it is not more than happens.
const NOTES: usize = 1000;

/// Something that is done once everything before it is on disk.
type Last = Box<dyn FnOnce() -> Result<(), Error> + Send>;

#[derive(Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// How many were ever put.
    put: u64,
    /// Words for people that found no place.
    left_out: usize,
    last: Option<Last>,
    closed: bool,
}

#[derive(Default)]
struct Desk {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of what was to be recorded.
pub enum Recorded {
    /// All entries up to this one are recorded, or kept until the disk takes them.
    UpTo(u64),
    /// The last of all is done, or cannot be.
    Last(Result<(), Error>),
    /// The journal is damaged.
    Damaged(Error),
}

/// The handle on the thread, which ends when it is dropped.
pub struct Recorder {
    desk: Arc<Desk>,
    /// The last entry that is recorded.
    recorded: u64,
}

impl Recorder {
    /// Starts the thread. What becomes of entries goes to `inputs`.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(records: Records, inputs: mpsc::Sender<HelmInput>) -> Result<Self, Error> {
        let desk = Arc::new(Desk::default());
        let shared = Arc::clone(&desk);
        let body = move || serve(records, &shared, &inputs);
        thread::Builder::new()
            .name("record".to_owned())
            .spawn(body)
            .map_err(|error| Error::Serve(error.to_string()))?;
        Ok(Self { desk, recorded: 0 })
    }

    /// Puts an entry, and never waits. Returns its number.
    pub fn record(&self, entry: Entry) -> u64 {
        let mut waiting = self.desk.lock();
        if matches!(entry, Entry::Event(_)) && waiting.entries.len() >= NOTES {
            waiting.left_out += 1;
            return waiting.put;
        }
        waiting.entries.push_back(entry);
        waiting.put += 1;
        self.desk.changed.notify_one();
        waiting.put
    }

    /// Has `last` done when everything else is on disk.
    pub fn finish(&self, last: Last) {
        self.desk.lock().last = Some(last);
        self.desk.changed.notify_one();
    }

    /// Takes notice of how far the thread is.
    pub fn reached(&mut self, number: u64) {
        self.recorded = self.recorded.max(number);
    }

    /// Whether the entry with this number is recorded.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        number <= self.recorded
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.desk.lock().closed = true;
        self.desk.changed.notify_one();
    }
}

fn serve(mut records: Records, desk: &Desk, inputs: &mpsc::Sender<HelmInput>) {
    loop {
        let mut waiting = desk.lock();
        if waiting.entries.is_empty() && waiting.last.is_none() {
            if waiting.closed {
                return;
            }
            waiting = desk.changed.wait_timeout(waiting, RETRY).unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut entries: Vec<Entry> = waiting.entries.drain(..).collect();
        let (number, last, left_out) = (waiting.put, waiting.last.take(), std::mem::take(&mut waiting.left_out));
        drop(waiting);
        if left_out > 0 {
            entries.push(Entry::Event(format!("{left_out} more things happened while the disk stood still")));
        }
        let something = !entries.is_empty();
        let result = if something { records.keep_all(entries) } else { records.catch_up() };
        let mut say = Vec::new();
        match result {
            Ok(()) if something => say.push(Recorded::UpTo(number)),
            Ok(()) => {}
            Err(error) => say.push(Recorded::Damaged(error)),
        }
        if let Some(last) = last {
            say.push(Recorded::Last(records.settle().and_then(|()| last())));
        }
        for recorded in say {
            if inputs.blocking_send(HelmInput::Recorded(recorded)).is_err() {
                return;
            }
        }
    }
}
