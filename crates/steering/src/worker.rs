//! What is known of an attached worker.

use crate::{event::Event, held::Reached, upload::Line};
use plan::{Held, LONGEST_PATIENCE, Position};
use std::{collections::BTreeSet, time::Duration};

/// One attachment of a worker. A worker that comes back gets another.
pub type WorkerId = u64;

/// A worker stands still only if it does nothing for this many times its longest stretch without a beat.
const STRETCHES: u32 = 5;

/// An attached worker.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Worker {
    /// Its name, unique among the attached.
    pub name: String,
    /// The address under which the others reach it.
    pub host: String,
    /// Whether it is ready to train. Nobody waits for one that is not.
    pub prepared: bool,
    /// The middle of its last pause, by the clock on the wall. If it says earlier that it is prepared, it did not know
    /// of the pause yet. Its own clock may be ahead of the coordinator's, so it may come a little before the end. It is
    /// taken in at the end.
    pub aside: Duration,
    /// Whether it has asked to go.
    pub leaving: bool,
    /// Whether it was told that it may go.
    pub dismissed: bool,
    /// How far the state that it holds is, as far as is known.
    pub reached: Option<Reached>,
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
    /// The longest stretch without a beat of its engine, in its rehearsal.
    pub rehearsed: Duration,
    /// How long the shard that it rehearsed took. Zero if it does not say.
    pub shard: Duration,
    /// The longest stretch without a beat of its engine since then.
    pub stretch: Duration,
    /// Its own part of a step, in seconds, as it says.
    pub compute: f64,
    /// How long its last steps took, as the coordinator saw it. This is the longest of them, and less with each one
    /// since.
    pub step: Duration,
    /// When it was told to train, or has committed its last step.
    pub step_began: Duration,
    /// When it was told to evaluate, or has told a chunk of its part of the test set.
    pub evaluated: Duration,
    /// Since when it is slower than the others.
    pub slow: Option<Slow>,
    /// Whether it was ever ordered to train, by this coordinator or an earlier one. It may then be in the middle of a
    /// step.
    pub worked: bool,
    /// Whether it was told to take a state over. Nobody may have heard of that yet.
    pub given: bool,
    /// Whether it has committed a step as a member, since it was last set aside.
    pub proven: bool,
    /// Whether it has committed a step together with another.
    pub met: bool,
    /// Whether it was suspected once of working with nobody. That happens once.
    pub doubted: bool,
    /// Names of a few workers with which it has failed, while it has worked with nobody.
    pub failed_with: BTreeSet<String>,
    /// How well it sends states.
    pub line: Line,
    /// Since when it has been a member of every generation.
    pub member_since: Option<Duration>,
}

/// A worker is slower than the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slow {
    /// Since when.
    pub since: Duration,
    /// Whether people were told.
    pub told: bool,
}

impl Worker {
    /// A worker that has just come.
    pub(crate) fn new(now: Duration, name: String, host: String, held: Option<Held>) -> Self {
        Self {
            name,
            host,
            prepared: false,
            aside: Duration::ZERO,
            leaving: false,
            dismissed: false,
            reached: held.map(Reached::from),
            position: held.map(|held| held.position).unwrap_or_default(),
            last_seen: now,
            pulse: 0,
            waiting: true,
            moved: now,
            rehearsed: Duration::ZERO,
            shard: Duration::ZERO,
            stretch: Duration::ZERO,
            compute: 0.0,
            step: Duration::ZERO,
            step_began: now,
            evaluated: now,
            slow: None,
            worked: held.is_some(),
            given: false,
            proven: false,
            met: false,
            doubted: false,
            failed_with: BTreeSet::new(),
            line: Line::default(),
            member_since: None,
        }
    }

    /// How long its engine may do nothing before it counts as standing still. That is `failure`, or more if a single
    /// piece of its work takes long, up to [`LONGEST_PATIENCE`]. A pause since the rehearsal that was longer than
    /// `failure` was no work: the process was stopped.
    #[must_use]
    pub fn patience(&self, failure: Duration) -> Duration {
        let longest = self.rehearsed.max(self.stretch.min(failure));
        failure.max(longest.saturating_mul(STRETCHES).min(LONGEST_PATIENCE))
    }

    /// How long a step of all `shards` may take it by its rehearsal. Each may take `slack` times as long as the shard
    /// that it rehearsed. If it does not say how long that was, each may take the longest piece of its work, `pieces`
    /// times.
    pub(crate) fn longest_step(&self, slack: u32, pieces: u32, shards: u32) -> Duration {
        let piece = self.rehearsed.saturating_mul(STRETCHES);
        let shard = if self.shard.is_zero() {
            piece.saturating_mul(pieces)
        } else {
            self.shard.saturating_mul(slack).max(piece)
        };
        shard.saturating_mul(shards)
    }

    /// Keeps what `event` says of the engine. Any report but an unchanged sign of life is something that it did.
    pub(crate) fn notice(&mut self, now: Duration, event: &Event) {
        let still = match event {
            Event::Progress { pulse, waiting, compute, stretch, .. } => {
                self.compute = *compute;
                self.stretch = self.stretch.max(*stretch);
                let still = *pulse == self.pulse && *waiting == self.waiting;
                (self.pulse, self.waiting) = (*pulse, *waiting);
                still
            }
            Event::Prepared { stretch, shard } => {
                // It may have met less of its work this time.
                self.rehearsed = self.rehearsed.max(*stretch);
                self.shard = self.shard.max(*shard);
                false
            }
            _ => false,
        };
        if !still {
            self.moved = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_worker_is_waited_for_and_a_stopped_one_is_not() {
        let mut worker = Worker::new(Duration::ZERO, "w".to_owned(), "127.0.0.1".to_owned(), None);
        let (at, failure) = (Duration::from_secs, Duration::from_secs(10));
        let progress = |stretch| {
            let position = Position::default();
            Event::Progress { generation: 1, position, pulse: 1, waiting: false, compute: 0.0, stretch }
        };
        let prepared = |stretch| Event::Prepared { stretch, shard: Duration::ZERO };
        assert_eq!(worker.patience(failure), at(10));
        worker.notice(at(1), &progress(at(3)));
        assert_eq!(worker.patience(failure), at(15));
        worker.notice(at(2), &progress(at(600)));
        assert_eq!(worker.patience(failure), at(50), "it was stopped");
        worker.notice(at(3), &prepared(at(60)));
        assert_eq!(worker.patience(failure), at(300), "a single piece of work takes a minute");
        worker.notice(at(4), &prepared(at(1_000_000)));
        assert_eq!(worker.patience(failure), at(600), "whatever it says");
        assert_eq!(worker.patience(at(3600)), at(3600));
    }
}
