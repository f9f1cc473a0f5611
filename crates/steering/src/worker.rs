//! What is known of an attached worker.

use crate::Event;
use plan::Position;
use std::time::Duration;

/// One attachment of a worker. A worker that comes back is another.
pub type WorkerId = u64;

/// An attached worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its name, unique among the attached.
    pub name: String,
    /// The address under which the others reach it.
    pub host: String,
    /// Whether it has what it takes to train. Nobody waits for one that has not.
    pub prepared: bool,
    /// Whether it has asked to go.
    pub leaving: bool,
    /// Its last reported position.
    pub position: Position,
    /// When it was last heard of.
    pub last_seen: Duration,
    /// What its engine has done, in counts of its own.
    pub pulse: u64,
    /// Whether its engine waits for others or for orders.
    pub waiting: bool,
    /// When its engine last did anything, as far as is known.
    pub moved: Duration,
    /// What it does itself of a step, in seconds.
    pub compute: f64,
    /// Since when it is slower than the others.
    pub slow: Option<Slow>,
}

/// That a worker is slower than the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slow {
    /// Since when.
    pub since: Duration,
    /// Whether people were told.
    pub told: bool,
}

impl Worker {
    /// Whether it can be a member of the next generation.
    pub(crate) fn is_able(&self) -> bool {
        self.prepared && !self.leaving
    }

    /// Keeps what `event` says of the engine. Any report but a sign of life is something that it did.
    pub(crate) fn notice(&mut self, now: Duration, event: &Event) {
        let still = match event {
            Event::Progress { pulse, waiting, compute, .. } => {
                self.compute = *compute;
                let still = *pulse == self.pulse && *waiting == self.waiting;
                (self.pulse, self.waiting) = (*pulse, *waiting);
                still
            }
            _ => false,
        };
        if !still {
            self.moved = now;
        }
    }
}
