//! Workers that live and do nothing.

use crate::{Decision, Steering, WorkerId, phase::Phase};
use std::time::Duration;

impl Steering {
    /// Gives up members whose engine has done nothing for the failure time-out although it waits for nobody. If all
    /// wait, each for the others, the generation is formed anew.
    pub(crate) fn give_up_stuck(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        let training = matches!(self.phase, Phase::Training { .. });
        if !training && !matches!(self.phase, Phase::Evaluating { .. }) {
            return;
        }
        let timeout = self.options.failure_timeout;
        let still = |id: &WorkerId| {
            let worker = self.workers.get(id)?;
            let still = now.saturating_sub(worker.moved);
            (still > timeout).then_some((*id, worker.waiting, still))
        };
        let members = self.generation.members.len();
        let still: Vec<(WorkerId, bool, Duration)> = self.generation.members.iter().filter_map(still).collect();
        let mut found = false;
        for (worker, _, since) in still.iter().filter(|(_, waiting, _)| !waiting) {
            let position = self.workers.get(worker).map(|worker| worker.position).unwrap_or_default();
            let reason = format!("no progress for {:.1} s at {position}", since.as_secs_f64());
            self.give_up(now, *worker, &reason, decisions);
            found = true;
        }
        if !found && training && members > 1 && still.len() == members {
            let reason = format!("every worker has waited for the others for {:.1} s", timeout.as_secs_f64());
            decisions.push(Decision::Note(reason.clone()));
            self.failed_at.get_or_insert(now);
            self.reform(now, &reason, decisions);
        }
    }
}
