//! What has to hold at any time, and at the end.

use super::{Cluster, EPOCHS, STEPS, State, Worker};
use plan::Position;
use steering::{Outcome, WorkerId};

impl Cluster {
    /// Asserts that the newest state that anyone holds is saved, or on its way to the disk.
    pub(super) fn assert_saved(&self) {
        let saved = self.writing.iter().chain(&self.disk).map(|state| self.reach(state)).max().unwrap_or_default();
        let heard = self.workers.iter().filter(|(id, worker)| !worker.is_mute() && !self.late.contains_key(id));
        let held = heard.filter(|(_, worker)| worker.gives()).filter_map(|(_, worker)| self.usable(worker));
        let newest = held.map(|state| self.reach(state)).max().unwrap_or_default();
        assert!(newest <= saved, "{saved} is saved, and {newest} is held: {:#?}; {:?}", self.notes, self.workers);
    }

    /// Asserts that what `leaver` holds does not go with it. It is saved, or another worker holds as much. That one
    /// lives, or has shown in the generation what it holds. Only steps that nobody has heard of may be lost: others do
    /// them again.
    pub(super) fn assert_others_hold(&self, leaver: WorkerId) {
        // What does not come for a minute is given up.
        let hears =
            !self.workers[&leaver].is_mute() && !self.late.contains_key(&leaver) && self.workers[&leaver].gives();
        if self.ending.is_some() || self.breaking > self.now || !hears {
            return;
        }
        let held = |worker: &Worker| self.usable(worker).map(|state| self.reach(state));
        let Some(own) = held(&self.workers[&leaver]) else { return };
        let saved = self.writing.iter().chain(&self.disk).map(|state| self.reach(state)).max().unwrap_or_default();
        let generation = self.workers[&leaver].dismissed.unwrap_or_default();
        let has_shown = |worker: &Worker| worker.ready_in >= generation;
        let lives = |worker: &Worker| !worker.is_mute() || has_shown(worker);
        let others = self.workers.iter().filter(|(id, worker)| **id != leaver && lives(worker));
        let theirs = others.clone().filter_map(|(_, worker)| held(worker)).max().unwrap_or_default();
        let shown = others.filter(|(_, worker)| has_shown(worker)).filter_map(|(_, worker)| held(worker)).max();
        if shown.is_some() {
            return;
        }
        assert!(
            own <= saved.max(theirs).max(self.unwritten),
            "{own} goes with {leaver}, {saved} is saved: {:#?}; {:?}",
            self.notes,
            self.workers
        );
    }

    /// The state of a worker, if the run could go on from it.
    pub(super) fn usable<'a>(&self, worker: &'a Worker) -> Option<&'a State> {
        let state = worker.held.as_deref()?;
        (state.at.epoch as usize <= self.epochs.len() && worker.lineage > self.void).then_some(state)
    }

    /// How far a state is: the end of a recorded epoch is the beginning of the next.
    pub(super) fn reach(&self, state: &State) -> Position {
        let Position { epoch, step } = state.at;
        let recorded = (epoch as usize) < self.epochs.len();
        if step == STEPS && recorded { Position { epoch: epoch + 1, step: 0 } } else { state.at }
    }

    /// Asserts that the run is over, and that every epoch was recorded. Its last checkpoint has been through every step
    /// once and in order.
    pub fn assert_finished(&self) {
        let outcome = self.ending.as_ref().map(|ending| ending.outcome);
        assert_eq!(outcome, Some(Outcome::Finished), "{:#?}", self.steering);
        let epochs: Vec<u32> = self.epochs.iter().map(|record| record.epoch).collect();
        assert_eq!(epochs, (0..EPOCHS).collect::<Vec<_>>());
        let state = self.disk.as_ref().unwrap();
        let steps: Vec<(u32, u32)> = (0..EPOCHS).flat_map(|epoch| (0..STEPS).map(move |step| (epoch, step))).collect();
        // The end of the last epoch has two names.
        let ends = [Position { epoch: EPOCHS, step: 0 }, Position { epoch: EPOCHS - 1, step: STEPS }];
        assert!(ends.contains(&state.at) && state.steps == steps, "{state:?}");
        assert_eq!(state.taint, 0);
    }
}
