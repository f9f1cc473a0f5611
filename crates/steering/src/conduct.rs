//! Workers that are set aside: why, and when they are tried again.
//!
//! Who fails for a reason of its own is set aside at once, and so is who is suspected ([`selection`](crate::selection)). It
//! comes back after a pause that doubles each time, and only once it has rehearsed again. What is remembered goes by the
//! worker's name, so that a process which is started again is no new worker.

use crate::{
    order::{Decision, Order},
    steering::Steering,
    worker::{Worker, WorkerId},
};
use plan::Position;
use std::{collections::BTreeMap, time::Duration};

/// The pause after a first failure.
const FIRST: Duration = Duration::from_secs(2);
/// The longest pause.
const LONGEST: Duration = Duration::from_mins(5);
/// Failures in a row after which a worker alone cannot be hoped for any more.
const HOPELESS: u32 = 5;
/// How long a run waits for somebody better than workers that have failed again and again.
const PATIENCE: Duration = Duration::from_mins(1);
/// A worker that has served for so many of its pauses is as good as new.
const SERVICE: u32 = 10;
/// Names that are remembered at most.
const REMEMBERED: usize = 4096;

/// How a worker has done lately.
#[derive(Debug, Clone, PartialEq)]
pub struct Conduct {
    /// Failures in a row.
    pub strikes: u32,
    /// The last one, in words.
    pub reason: String,
    /// When it is tried again.
    pub until: Duration,
    /// Whether it was only suspected the last time. A generation that it was in failed, and nobody is known to be the
    /// cause.
    pub suspected: bool,
    /// Whether no state came to it the last time. That may be the coordinator's fault: it ends no run.
    pub starved: bool,
}

impl Conduct {
    /// Whether its failures are too many to hope for it. That no state came to it may be the coordinator's fault.
    fn is_hopeless(&self) -> bool {
        self.strikes >= HOPELESS && !self.starved
    }
}

/// How long a worker is set aside that has failed `strikes` times in a row.
fn pause(strikes: u32) -> Duration {
    FIRST.saturating_mul(1 << strikes.saturating_sub(1).min(16)).min(LONGEST)
}

/// The conduct of workers, by name. Those without a failure are not in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Register {
    conduct: BTreeMap<String, Conduct>,
    /// How far the run was when workers were lost.
    lost: BTreeMap<String, Position>,
}

impl Register {
    pub fn of(&self, name: &str) -> Option<&Conduct> {
        self.conduct.get(name)
    }

    pub fn strikes(&self, name: &str) -> u32 {
        self.conduct.get(name).map_or(0, |conduct| conduct.strikes)
    }

    /// Whether `name` is set aside at `now`.
    pub fn is_aside(&self, name: &str, now: Duration) -> bool {
        self.conduct.get(name).is_some_and(|conduct| now < conduct.until)
    }

    /// Counts a failure of its own. Returns the pause that follows from it.
    pub fn strike(&mut self, name: &str, reason: &str, now: Duration) -> Duration {
        self.count(name, reason, now, false)
    }

    /// Counts a failure of which it is only suspected. Returns the pause that follows from it.
    pub fn suspect(&mut self, name: &str, reason: &str, now: Duration) -> Duration {
        self.count(name, reason, now, true)
    }

    /// Takes notice that what it was suspected of is that no state came to it.
    pub fn starves(&mut self, name: &str) {
        if let Some(conduct) = self.conduct.get_mut(name) {
            conduct.starved = true;
        }
    }

    /// Lets a worker be tried again at once.
    pub fn readmit(&mut self, name: &str, now: Duration) {
        if let Some(conduct) = self.conduct.get_mut(name) {
            conduct.until = now;
        }
    }

    /// Forgets what a worker was only suspected of: it has committed a step with the others.
    pub fn absolve(&mut self, name: &str) {
        if self.conduct.get(name).is_some_and(|conduct| conduct.suspected) {
            self.conduct.remove(name);
        }
    }

    /// Takes notice that `name` is lost, where the run has come as far as `furthest`. Returns whether it was no further the
    /// last time.
    pub fn is_lost_again(&mut self, name: &str, furthest: Position) -> bool {
        if self.lost.len() >= REMEMBERED {
            self.lost.clear();
        }
        self.lost.insert(name.to_owned(), furthest) == Some(furthest)
    }

    fn count(&mut self, name: &str, reason: &str, now: Duration, suspected: bool) -> Duration {
        if self.conduct.len() >= REMEMBERED && !self.conduct.contains_key(name) {
            // Of strangers with ever new names those that were to come back first are forgotten.
            let oldest = self.conduct.iter().min_by_key(|(_, conduct)| conduct.until).map(|(name, _)| name.clone());
            oldest.and_then(|name| self.conduct.remove(&name));
        }
        let strikes = self.strikes(name).saturating_add(1);
        let pause = pause(strikes);
        self.conduct.insert(
            name.to_owned(),
            Conduct { strikes, reason: reason.to_owned(), until: now + pause, suspected, starved: false },
        );
        pause
    }

    /// Forgets the failures of a worker that has served since `since`, if that is long enough.
    pub fn serve(&mut self, name: &str, since: Duration, now: Duration) {
        let served = now.saturating_sub(since);
        if self.conduct.get(name).is_some_and(|conduct| served >= SERVICE * pause(conduct.strikes)) {
            self.conduct.remove(name);
        }
    }
}

impl Steering {
    /// How the worker `name` has done lately, if it has failed.
    #[must_use]
    pub fn conduct(&self, name: &str) -> Option<&Conduct> {
        self.register.of(name)
    }

    /// Sets a worker aside for a failure of its own. It learns why and for how long, and has to rehearse again.
    pub(crate) fn set_aside(&mut self, now: Duration, id: WorkerId, reason: &str, decisions: &mut Vec<Decision>) {
        if let Some(worker) = self.workers.get(&id) {
            let pause = self.register.strike(&worker.name, reason, now);
            self.send_aside(id, reason, pause, decisions);
        }
    }

    /// Sets a worker aside that is only suspected.
    pub(crate) fn suspect(&mut self, now: Duration, id: WorkerId, reason: &str, decisions: &mut Vec<Decision>) {
        if let Some(worker) = self.workers.get(&id) {
            let pause = self.register.suspect(&worker.name, reason, now);
            self.send_aside(id, reason, pause, decisions);
        }
    }

    fn send_aside(&mut self, id: WorkerId, reason: &str, pause: Duration, decisions: &mut Vec<Decision>) {
        let wall = self.clock.wall();
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.prepared = false;
        worker.aside = wall + pause / 2;
        worker.proven = false;
        worker.member_since = None;
        let name = worker.name.clone();
        decisions.push(Decision::Note(format!("{name} is set aside for {:.0} s: {reason}", pause.as_secs_f64())));
        decisions.push(Decision::Send { worker: id, order: Order::SetAside { reason: reason.to_owned(), pause } });
    }

    /// Whether `worker` has failed again and again.
    pub(crate) fn is_hopeless(&self, worker: &Worker) -> bool {
        self.register.of(&worker.name).is_some_and(Conduct::is_hopeless)
    }

    /// Why nobody who could go on is left at `now`, if that is so. As many as a run wants are attached then, and all of them have
    /// failed again and again. Nobody else has been of use for a while.
    pub(crate) fn hopeless(&self, now: Duration) -> Option<String> {
        let staying = self.workers.values().filter(|worker| !worker.leaving).count();
        if staying < self.wanted() || now.saturating_sub(self.useful) < PATIENCE {
            return None;
        }
        let mut last = None;
        for worker in self.workers.values().filter(|worker| !worker.leaving) {
            let conduct = self.register.of(&worker.name).filter(|conduct| conduct.is_hopeless())?;
            last = Some(format!(
                "{} failed {} times in a row; the last time: {}",
                worker.name, conduct.strikes, conduct.reason
            ));
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pause_grows_and_is_bounded(strikes in 1u32..1000) {
            prop_assert!(pause(strikes) <= pause(strikes + 1));
            prop_assert!((FIRST..=LONGEST).contains(&pause(strikes)));
        }
    }

    #[test]
    fn good_service_is_rewarded() {
        let mut register = Register::default();
        let at = Duration::from_secs;
        assert_eq!(register.strike("a", "why", at(100)), at(2));
        assert_eq!(register.strike("a", "why", at(110)), at(4));
        assert!(register.is_aside("a", at(113)) && !register.is_aside("a", at(114)));
        register.serve("a", at(114), at(150));
        assert_eq!(register.strikes("a"), 2);
        register.serve("a", at(114), at(154));
        assert_eq!(register.of("a"), None);
    }

    #[test]
    fn strangers_do_not_fill_the_memory() {
        let mut register = Register::default();
        for stranger in 0..10_000 {
            register.strike(&stranger.to_string(), "why", Duration::from_secs(stranger));
        }
        assert_eq!((register.conduct.len(), register.strikes("9999")), (REMEMBERED, 1));
    }
}
