//! What is known of an attached worker.

use crate::{Event, Held};
use plan::Position;
use std::time::Duration;

/// One attachment of a worker. A worker that comes back is another.
pub type WorkerId = u64;

/// A worker stands still only if it does nothing for so many times the longest that it ever did nothing while it worked.
const STRETCHES: u32 = 5;

/// An attached worker.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Worker {
    /// Its name, unique among the attached.
    pub name: String,
    /// The address under which the others reach it.
    pub host: String,
    /// Whether it has what it takes to train. Nobody waits for one that has not.
    pub prepared: bool,
    /// Whether it has asked to go.
    pub leaving: bool,
    /// The state that it holds, as far as is known.
    pub held: Option<Held>,
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
    /// The longest that its engine has worked without a sign of it, in a rehearsal or since.
    pub stretch: Duration,
    /// What it does itself of a step, in seconds.
    pub compute: f64,
    /// Since when it is slower than the others.
    pub slow: Option<Slow>,
    /// Whether it has committed a step as a member.
    pub proven: bool,
    /// Since when it has been a member of every generation.
    pub member_since: Option<Duration>,
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
    /// One that has just come.
    pub(crate) fn new(now: Duration, name: String, host: String, held: Option<Held>) -> Self {
        Self {
            name,
            host,
            prepared: false,
            leaving: false,
            held,
            position: held.map(|held| held.position).unwrap_or_default(),
            last_seen: now,
            pulse: 0,
            waiting: true,
            moved: now,
            stretch: Duration::ZERO,
            compute: 0.0,
            slow: None,
            proven: false,
            member_since: None,
        }
    }

    /// How long its engine may do nothing before it counts as standing still: `failure`, or more where a single piece of
    /// its work takes long.
    #[must_use]
    pub fn patience(&self, failure: Duration) -> Duration {
        failure.max(self.stretch.saturating_mul(STRETCHES))
    }

    /// Keeps what `event` says of the engine. Any report but a sign of life is something that it did.
    pub(crate) fn notice(&mut self, now: Duration, event: &Event) {
        let still = match event {
            Event::Progress { pulse, waiting, compute, stretch, .. } => {
                self.compute = *compute;
                self.stretch = self.stretch.max(*stretch);
                let still = *pulse == self.pulse && *waiting == self.waiting;
                (self.pulse, self.waiting) = (*pulse, *waiting);
                still
            }
            Event::Prepared { stretch } => {
                self.stretch = self.stretch.max(*stretch);
                false
            }
            _ => false,
        };
        if !still {
            self.moved = now;
        }
    }

    /// Forgets a time in which nobody listened.
    pub(crate) fn forgive(&mut self, absence: Duration) {
        self.last_seen += absence;
        self.moved += absence;
    }
}
