//! What becomes of checkpoints: on disk, not written, or not to be read any more.

use crate::{
    order::{Decision, Outcome},
    phase::Phase,
    steering::Steering,
};
use plan::{Position, Totals};
use std::time::Duration;

impl Steering {
    /// Takes notice that a checkpoint is on disk: a generation may start from it.
    pub fn checkpointed(&mut self, name: String, position: Position, totals: Totals) {
        self.pending.remove(&position);
        if self.checkpoint.as_ref().is_none_or(|(_, newest, _)| *newest <= position) {
            self.checkpoint = Some((name, position, totals));
        }
    }

    /// Takes notice that a checkpoint is not written: it could not be, or a newer one is instead.
    pub fn not_checkpointed(&mut self, position: Position) {
        self.pending.remove(&position);
    }

    /// Takes notice that the checkpoint `name` cannot be read, and which one counts `instead`. A run never begins anew where
    /// one was: without any it ends.
    pub fn unreadable(
        &mut self,
        now: Duration,
        (name, why): (&str, &str),
        instead: Option<(String, Position, Totals)>,
    ) -> Vec<Decision> {
        let mut decisions = Vec::new();
        let counts = self.checkpoint.as_ref().is_some_and(|(newest, _, _)| newest == name);
        if !counts || matches!(self.phase, Phase::Over(_)) {
            return decisions;
        }
        let now = self.look_at_the_time(now);
        let known =
            |at: Position| at.epoch >= self.base.0 || self.history.iter().any(|done| done.epoch + 1 == at.epoch);
        let Some(instead) = instead.filter(|(_, at, _)| known(*at)) else {
            let reason = format!("checkpoint {name} cannot be read, and there is none before it: {why}");
            self.end(now, Outcome::Failed, &reason, &mut decisions);
            return decisions;
        };
        decisions
            .push(Decision::Note(format!("checkpoint {name} cannot be read: {why}; {} counts instead", instead.0)));
        self.furthest = Position::default();
        self.checkpoint = Some(instead);
        if !self.generation.members.is_empty() {
            // It was to begin with it. Whoever says next that it did not come is of a generation that is over.
            self.failed_at.get_or_insert(self.clock.wall());
            self.recovery(format!("checkpoint {name} cannot be read"), 0);
            self.reform(&format!("checkpoint {name} cannot be read"));
            self.settle(now, &mut decisions);
        }
        decisions
    }
}
