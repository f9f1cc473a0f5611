//! Workers that ask to go: they are let go once nothing is lost with them.

use crate::{
    order::{Decision, Order},
    phase::{Halt, Phase},
    saving::Then,
    steering::Steering,
    worker::{Worker, WorkerId},
};
use std::time::Duration;

impl Steering {
    pub(crate) fn leaving(&mut self, now: Duration, id: WorkerId, reason: &str, decisions: &mut Vec<Decision>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if std::mem::replace(&mut worker.leaving, true) {
            return;
        }
        let text = format!("{} leaves: {reason}", worker.name);
        decisions.push(Decision::Note(text.clone()));
        let member = self.generation.has(id);
        match self.phase {
            Phase::Training { .. } if member => self.halt(Halt::Reform, &text, decisions),
            Phase::Forming { .. } if member => self.reform(&text),
            // It goes when this is done.
            Phase::Evaluating { .. } if member => {}
            Phase::Saving(_) | Phase::Over(_) => {}
            _ => self.let_leavers_go(now, &text, decisions),
        }
    }

    /// Lets workers go that asked to and are no members. If one of them alone holds the newest state, that is saved first.
    fn let_leavers_go(&mut self, now: Duration, reason: &str, decisions: &mut Vec<Decision>) {
        if self.generation.members.is_empty() && self.saves_before_they_leave(now) {
            return self.save_then(now, Then::GoOn(reason.to_owned()), decisions);
        }
        self.dismiss_leaving(decisions);
        self.explain_waiting(now);
    }

    /// Lets those go that asked to, are no members and hold nothing that only they are known to hold.
    pub(crate) fn dismiss_leaving(&mut self, decisions: &mut Vec<Decision>) {
        self.dismiss(decisions, |steering, worker| !steering.is_still_needed(worker));
    }

    /// Lets those go that asked to and are no members.
    pub(crate) fn dismiss_all_leaving(&mut self, decisions: &mut Vec<Decision>) {
        self.dismiss(decisions, |_, _| true);
    }

    fn dismiss(&mut self, decisions: &mut Vec<Decision>, may_go: impl Fn(&Self, &Worker) -> bool) {
        let leaving = self.workers.iter().filter(|(_, worker)| worker.leaving && !worker.dismissed);
        let free = leaving.filter(|(id, worker)| !self.generation.has(**id) && may_go(self, worker));
        for id in free.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some(worker) = self.workers.get_mut(&id) {
                worker.dismissed = true;
            }
            let order = Order::Dismiss { reason: "as asked".to_owned() };
            decisions.push(Decision::Send { worker: id, order });
        }
    }

    /// Whether `worker`, which leaves, may hold what is not saved, and nobody who stays has shown that it holds as much. It has to
    /// be shown in this generation: those of the last one may have died in the same moment. Of the worker's last steps nobody may
    /// have heard yet.
    fn is_still_needed(&self, worker: &Worker) -> bool {
        if !worker.worked && !worker.given && worker.reached.is_none() {
            return false;
        }
        let news = self.news_of(worker.reached);
        let number = self.generation.number;
        let members = self.generation.members.iter().filter_map(|member| self.workers.get(member));
        let mut holders =
            members.filter(|member| !member.leaving && member.reached.is_some_and(|reached| reached.lineage == number));
        !holders.any(|member| self.news_of(member.reached) >= news)
    }

    /// Whether what those who leave hold has to be saved before they go. It has if nobody else holds it, or nobody goes
    /// on now.
    pub(crate) fn saves_before_they_leave(&self, now: Duration) -> bool {
        if self.only_leavers_hold_the_news(now) {
            return true;
        }
        let goes_on = !self.is_paused() && self.candidates(now).len() >= self.needed();
        !goes_on && self.workers.values().any(|worker| worker.leaving && self.is_still_needed(worker))
    }
}
