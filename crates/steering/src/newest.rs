//! How far states are: those that workers hold, those that are saved, and what is newer than what is saved.

use crate::{held::Reached, steering::Steering, worker::Worker};
use plan::Position;
use std::time::Duration;

impl Steering {
    /// Whether a worker that was lost a moment ago held more than anybody who is here. Its line may have broken, and
    /// not the worker.
    pub(crate) fn may_return(&self, now: Duration) -> bool {
        let Some((lost, reached)) = self.absent else { return false };
        let here = self.held();
        now.saturating_sub(lost) < self.options.failure_timeout
            && self.news_of(Some(reached)).is_some_and(|news| here.is_none_or(|here| here < news))
    }

    /// Takes notice that a worker that had `reached` so far is lost.
    pub(crate) fn notice_absence(&mut self, now: Duration, reached: Option<Reached>) {
        let news = |reached: Option<Reached>| self.news_of(reached);
        let before = self.absent.map(|(_, before)| before);
        if news(reached).is_some() && (news(reached) >= news(before) || !self.may_return(now)) {
            self.absent = reached.map(|reached| (now, reached));
        }
    }

    /// Whether someone who leaves holds more than what is saved, and more than all who could go on now.
    pub(crate) fn only_leavers_hold_the_news(&self, now: Duration) -> bool {
        let news = |worker: &Worker| self.news_of(worker.reached);
        let theirs = self.workers.values().filter(|worker| worker.leaving).filter_map(news).max();
        let able = self.candidates(now).into_iter().filter_map(|able| self.workers.get(&able.id));
        theirs.is_some_and(|theirs| able.filter_map(news).max().is_none_or(|able| able < theirs))
    }

    /// How far the newest state is that is saved or that an attached worker holds, as far as is known.
    #[must_use]
    pub fn reached(&self) -> Option<Position> {
        let held = self.workers.values().filter_map(|worker| self.reach(worker.reached));
        held.chain([self.saved()]).max().filter(|position| *position > Position::default())
    }

    /// How far the newest state is that is on disk.
    #[must_use]
    pub fn on_disk(&self) -> Option<Position> {
        let (steps, done) = (self.steps(), self.epochs_done());
        let (_, position, _) = self.checkpoint.as_ref()?;
        Some(Reached { position: *position, lineage: 0 }.progress(steps, done))
    }

    /// How far the newest state is that a worker holds which is attached and stays, as far as is known.
    #[must_use]
    pub fn held(&self) -> Option<Position> {
        let staying = self.workers.values().filter(|worker| !worker.leaving);
        staying.filter_map(|worker| self.reach(worker.reached)).max()
    }

    /// How far a state is that has `reached` so far, if a run could go on from it.
    pub(crate) fn reach(&self, reached: Option<Reached>) -> Option<Position> {
        let (steps, done) = (self.steps(), self.epochs_done());
        let reached = reached.filter(|reached| reached.is_usable(steps, done, &self.lineages()))?;
        Some(reached.progress(steps, done))
    }

    /// How far the newest state is that is saved, or on its way to the disk.
    pub(crate) fn saved(&self) -> Position {
        let done = self.epochs_done();
        let written = self.checkpoint.as_ref().map(|(_, position, _)| *position);
        let steps = self.steps();
        let usable = written.into_iter().chain(self.pending.iter().copied()).filter(|at| at.epoch <= done);
        usable.map(|position| Reached { position, lineage: 0 }.progress(steps, done)).max().unwrap_or_default()
    }

    /// The same, if it is newer than what is saved.
    pub(crate) fn news_of(&self, reached: Option<Reached>) -> Option<Position> {
        self.reach(reached).filter(|at| *at > self.saved())
    }
}
