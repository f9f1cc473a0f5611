//! What was seen before, and what is new.

use crate::{
    alert::{Alert, Kind, Status},
    rules::Rules,
};
use proto::v1::{Recovery, Run};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What there is to look at.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The run as it stands.
    pub run: &'a Run,
    /// The time since some fixed moment. It never goes back.
    pub at: Duration,
    /// The disk of the run directory; `None` if that is not known.
    pub disk: Option<Disk>,
}

/// A disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// What can still be written.
    pub free: u64,
    /// All of it.
    pub total: u64,
}

/// Keeps a lookout for what has to be told.
#[derive(Debug, Clone)]
pub struct Lookout {
    pub(crate) rules: Rules,
    /// The alerts that have begun and not ended, with the worker that they are about.
    lasting: BTreeSet<(Kind, Option<String>)>,
    /// The recoveries as they were at the last look; `None` before the first.
    pub(crate) recoveries: Option<Vec<Recovery>>,
    /// Where the run was last, and since when.
    pub(crate) reached: Option<(crate::run::Place, Duration)>,
    /// Since when a worker has been slow.
    pub(crate) slow_since: BTreeMap<String, Duration>,
    new: Vec<Alert>,
}

impl Lookout {
    /// By `rules`.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            lasting: BTreeSet::new(),
            recoveries: None,
            reached: None,
            slow_since: BTreeMap::new(),
            new: Vec::new(),
        }
    }

    /// What has to be told since the last look. What was so at the first look is told if it still lasts.
    pub fn look(&mut self, seen: &Seen<'_>) -> Vec<Alert> {
        self.look_at_workers(seen);
        self.look_at_run(seen);
        std::mem::take(&mut self.new)
    }

    /// Tells something that has no end.
    pub(crate) fn tell(&mut self, kind: Kind, worker: Option<&str>, text: String) {
        self.add(kind, Status::Firing, worker, text);
    }

    /// Tells something that has no end, unless it was told before.
    pub(crate) fn tell_once(&mut self, kind: Kind, text: String) {
        if self.lasting.insert((kind, None)) {
            self.tell(kind, None, text);
        }
    }

    /// Tells when something begins or ends. The words are of the moment.
    pub(crate) fn lasts(&mut self, kind: Kind, worker: Option<&str>, lasts: bool, text: impl FnOnce(bool) -> String) {
        let key = (kind, worker.map(str::to_owned));
        let changed = if lasts { self.lasting.insert(key) } else { self.lasting.remove(&key) };
        if changed {
            let status = if lasts { Status::Firing } else { Status::Resolved };
            self.add(kind, status, worker, text(lasts));
        }
    }

    /// Whether something has begun and not ended.
    pub(crate) fn is_lasting(&self, kind: Kind) -> bool {
        self.lasting.contains(&(kind, None))
    }

    /// The workers about whom something of `kind` has begun and not ended.
    pub(crate) fn lasting_of(&self, kind: Kind) -> Vec<String> {
        self.lasting.iter().filter(|(of, _)| *of == kind).filter_map(|(_, worker)| worker.clone()).collect()
    }

    fn add(&mut self, kind: Kind, status: Status, worker: Option<&str>, text: String) {
        let worker = worker.map(str::to_owned);
        let advice = if status == Status::Firing { kind.advice(&self.rules) } else { "" };
        self.new.push(Alert { kind, status, severity: kind.severity(), worker, text, advice });
    }
}
