//! Pauses, and checkpoints that somebody asks for.
//!
//! Both halt training as a change of members does: after a step that all members agree on. Then the newest state is saved
//! outside of any generation ([`saving`](crate::saving)), and the next generation is formed. A pause only puts that off. So
//! neither adds anything to what happens to a state, and the weights are those of an undisturbed run.
//!
//! A run that is paused waits, as for workers. Those that are attached stay. Others come and go as ever.

use crate::{
    order::Decision,
    phase::{Halt, Phase},
    saving::Then,
    steering::Steering,
    worker::WorkerId,
};
use std::time::Duration;

/// Why a generation ends of which somebody wants a checkpoint.
const WANTED: &str = "a checkpoint was asked for";

/// Why and since when a run is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pause {
    /// In words.
    pub reason: String,
    /// By the clock on the wall.
    since: Duration,
}

/// What people ask of a run that goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// Why the run is paused, or is to be after the step in progress.
    pub pause: Option<Pause>,
    /// Whether the newest state is to be saved after the step in progress.
    pub save: bool,
}

impl Steering {
    /// Halts the run after the step in progress, and saves the newest state, until [`Self::resume`]. An evaluation in
    /// progress is finished first. A run that is paused already stays so, and keeps its reason. `None`: the run is over, or is
    /// about to be.
    pub fn pause(&mut self, now: Duration, reason: &str) -> Option<Vec<Decision>> {
        if self.is_ending() {
            return None;
        }
        let mut decisions = Vec::new();
        if self.asked.pause.is_some() {
            return Some(decisions);
        }
        let now = self.look_at_the_time(now);
        self.asked.pause = Some(Pause { reason: reason.to_owned(), since: self.clock.wall() });
        match self.phase {
            Phase::Waiting => self.save_what_is_new(now, &mut decisions),
            Phase::Forming { .. } => self.reform(reason),
            Phase::Training { .. } => self.halt(Halt::Reform, reason, &mut decisions),
            // It is looked at when this is done.
            Phase::Evaluating { .. } | Phase::Saving(_) | Phase::Over(_) => {}
        }
        self.settle(now, &mut decisions);
        Some(decisions)
    }

    /// Goes on after a pause.
    pub fn resume(&mut self, now: Duration) -> Vec<Decision> {
        let mut decisions = Vec::new();
        let Some(pause) = self.asked.pause.take() else { return decisions };
        let now = self.look_at_the_time(now);
        // The epoch did not take any longer, no recovery did, and nobody was of less use.
        let wall = self.clock.wall();
        let paused = wall.saturating_sub(pause.since);
        self.epoch_began = self.epoch_began.map(|began| began + paused);
        self.failed_at = self.failed_at.map(|failed| failed + wall.saturating_sub(failed.max(pause.since)));
        self.useful = now;
        if matches!(self.phase, Phase::Waiting) {
            self.form_if_enough(now, "the pause is over", &mut decisions);
        }
        self.settle(now, &mut decisions);
        decisions
    }

    /// Saves the newest state after the step in progress, and goes on. [`Self::is_saving`] tells until when. `None`: the run is
    /// over.
    pub fn save_now(&mut self, now: Duration) -> Option<Vec<Decision>> {
        if matches!(self.phase, Phase::Over(_)) {
            return None;
        }
        let mut decisions = Vec::new();
        let now = self.look_at_the_time(now);
        match self.phase {
            Phase::Waiting => self.save_what_is_new(now, &mut decisions),
            Phase::Forming { .. } if self.has_news() => {
                self.asked.save = true;
                self.reform(WANTED);
            }
            Phase::Training { .. } => {
                self.asked.save = true;
                self.halt(Halt::Reform, WANTED, &mut decisions);
            }
            Phase::Evaluating { .. } => self.asked.save = true,
            // What there is is saved, or is about to be.
            Phase::Forming { .. } | Phase::Saving(_) | Phase::Over(_) => {}
        }
        self.settle(now, &mut decisions);
        Some(decisions)
    }

    /// Whether the newest state is still to be saved, or on its way to the coordinator.
    #[must_use]
    pub fn is_saving(&self) -> bool {
        match self.phase {
            Phase::Over(_) => false,
            Phase::Saving(_) => true,
            _ => self.asked.save,
        }
    }

    /// Whether the run is paused, or is to be after the step in progress.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.asked.pause.is_some()
    }

    /// Whether the run is over, or is to end after what it does now.
    fn is_ending(&self) -> bool {
        self.stop.is_some() || matches!(self.phase, Phase::Over(_)) || self.is_saved_to_end()
    }

    /// Whether a worker is known to hold more than what is saved.
    pub(crate) fn has_news(&self) -> bool {
        self.workers.values().any(|worker| self.news_of(worker.reached).is_some())
    }

    /// A worker has come. While the run is paused, what it holds beyond what is saved is saved at once.
    pub(crate) fn save_what_comes(&mut self, now: Duration, id: WorkerId, decisions: &mut Vec<Decision>) {
        let Some(pause) = self.asked.pause.as_ref().filter(|_| matches!(self.phase, Phase::Waiting)) else { return };
        let reason = pause.reason.clone();
        if self.workers.get(&id).is_some_and(|worker| self.news_of(worker.reached).is_some()) {
            self.save_then(now, Then::GoOn(reason), decisions);
        }
    }

    fn save_what_is_new(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        if self.has_news() {
            self.save_then(now, Then::GoOn(WANTED.to_owned()), decisions);
        } else {
            self.explain_waiting(now);
        }
    }

    /// Whether the newest state is to be saved before the next generation is formed, since somebody asked for that.
    pub(crate) fn is_to_be_saved(&mut self) -> bool {
        std::mem::take(&mut self.asked.save) || self.asked.pause.is_some()
    }

    /// Why training was halted that is to go on.
    pub(crate) fn why_halted(&self) -> String {
        match &self.asked.pause {
            Some(pause) => pause.reason.clone(),
            None if self.asked.save => WANTED.to_owned(),
            None => "the set of workers changes".to_owned(),
        }
    }
}
