//! Saves the newest state that anyone holds, outside of any generation. That is done before a run ends, however it
//! does, and before the last holder of a state leaves.
//!
//! All who may hold the newest state say what they hold, with its digest. The most advanced state counts. If its
//! holders agree on it, one of them sends it. If they do not, no state since the newest checkpoint can be trusted. No
//! process group is needed for any of this. [`newest`](crate::newest) says which state is the newest.

use crate::{
    digest::{Verdict, judge},
    held::Reached,
    order::{Decision, Ending, Order, Outcome},
    phase::Phase,
    steering::Steering,
    upload::Upload,
    worker::WorkerId,
};
use plan::{Held, Position};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Why a worker is set aside that reported the last step, and then holds no state of it.
const BROKEN_WORD: &str = "it does not hold the state that it said it had";

/// The most workers that are asked.
const ASKED: usize = 1024;

/// What comes after a state was saved.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Then {
    /// The run ends.
    End(Ending),
    /// Workers that asked to leave go, and the others form a generation, for this reason.
    GoOn(String),
}

impl Then {
    /// Whether the run has done all its epochs.
    fn is_end_of_all(&self) -> bool {
        matches!(self, Self::End(Ending { outcome: Outcome::Finished, .. }))
    }

    /// The same, if the newest state is lost: the run does not end well then.
    fn without(self, why: &str) -> Self {
        match self {
            Self::End(ending) => {
                let reason = format!("{}; {why}", ending.reason);
                Self::End(Ending { outcome: Outcome::Failed, reason })
            }
            Self::GoOn(reason) => Self::GoOn(reason),
        }
    }
}

/// The newest state on its way to a checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct Saving {
    then: Then,
    stage: Stage,
    /// Whether a worker came while a state was on its way already. It was not asked, and may hold a newer one.
    unasked: bool,
}

/// What workers say that they hold, with its digest.
type Answers = BTreeMap<WorkerId, (Held, u64)>;

#[derive(Debug, Clone)]
enum Stage {
    /// The workers that may hold it are asked.
    Asking { request: u64, since: Duration, asked: BTreeSet<WorkerId>, answers: Answers },
    /// One of its holders sends it. The rest hold less.
    Coming { upload: Upload, held: Held, digest: u64, holders: Vec<WorkerId>, rest: Answers },
}

impl Steering {
    /// Ends the run once the newest state is saved.
    pub(crate) fn end(&mut self, now: Duration, outcome: Outcome, reason: &str, decisions: &mut Vec<Decision>) {
        let ending = Ending { outcome, reason: reason.to_owned() };
        self.save_then(now, Then::End(ending), decisions);
    }

    /// Ends the run without saving: the newest state is of no use.
    pub(crate) fn end_unsaved(&mut self, now: Duration, outcome: Outcome, reason: &str, decisions: &mut Vec<Decision>) {
        self.generation.members.clear();
        self.after_saving(now, Then::End(Ending { outcome, reason: reason.to_owned() }), decisions);
    }

    /// Leaves the generation, and saves the newest state if it is newer than what is saved.
    pub(crate) fn save_then(&mut self, now: Duration, then: Then, decisions: &mut Vec<Decision>) {
        let why = match &then {
            Then::End(ending) => ending.reason.clone(),
            Then::GoOn(reason) => reason.clone(),
        };
        // A run that has all its epochs has nothing newer. Otherwise a report of the last steps may be under way.
        let finished = then.is_end_of_all();
        let mut asked = self.possible_holders(finished);
        if matches!(then, Then::GoOn(_)) {
            // Who never had a state has none to tell of. So training does not wait for one that prepares, or is stuck.
            asked.retain(|id| {
                self.workers.get(id).is_some_and(|worker| worker.worked || worker.given || worker.reached.is_some())
            });
        }
        let returns = !finished && self.may_return(now);
        if asked.is_empty() && matches!(then, Then::End(_)) && !returns {
            // A worker that is dismissed needs no other word.
            self.generation.members.clear();
            return self.after_saving(now, then, decisions);
        }
        self.leave_generation(&why, decisions);
        if asked.is_empty() && !returns {
            return self.after_saving(now, then, decisions);
        }
        let request = self.number();
        for worker in &asked {
            let order = Order::Attest { request, generation: self.generation.number.max(self.last_known) };
            decisions.push(Decision::Send { worker: *worker, order });
        }
        self.reason = format!("saving the newest state: {why}");
        let asked = asked.into_iter().collect();
        let stage = Stage::Asking { request, since: now, asked, answers: BTreeMap::new() };
        self.phase = Phase::Saving(Box::new(Saving { then, stage, unasked: false }));
    }

    /// Asks a worker too that comes while the newest state is looked for. If one is on its way already, it is asked after that.
    pub(crate) fn ask_who_comes(&mut self, id: WorkerId, decisions: &mut Vec<Decision>) {
        let generation = self.generation.number.max(self.last_known);
        let Phase::Saving(saving) = &mut self.phase else { return };
        let Stage::Asking { request, asked, .. } = &mut saving.stage else {
            saving.unasked = true;
            return;
        };
        if asked.len() < ASKED && asked.insert(id) {
            let order = Order::Attest { request: *request, generation };
            decisions.push(Decision::Send { worker: id, order });
        }
    }

    /// A stop was asked for while a state is being saved.
    pub(crate) fn stop_after_saving(&mut self, reason: &str) {
        if let Phase::Saving(saving) = &mut self.phase
            && matches!(saving.then, Then::GoOn(_))
        {
            saving.then = Then::End(Ending { outcome: Outcome::Stopped, reason: reason.to_owned() });
        }
    }

    /// Whether a state is saved after which the run ends.
    pub(crate) fn is_saved_to_end(&self) -> bool {
        matches!(&self.phase, Phase::Saving(saving) if matches!(saving.then, Then::End(_)))
    }

    fn has_unasked(&self) -> bool {
        matches!(&self.phase, Phase::Saving(saving) if saving.unasked)
    }

    /// Does what comes after the state that was looked for is saved, or lost. If a worker came meanwhile with a newer one, that is
    /// saved first. For the run ends, or stays as it is until the worker may be gone. A generation would go on from it.
    fn after_coming(&mut self, now: Duration, then: Then, decisions: &mut Vec<Decision>) {
        let lost_otherwise = matches!(then, Then::End(_)) || self.is_paused();
        if self.has_unasked() && lost_otherwise && self.has_news() {
            return self.save_then(now, then, decisions);
        }
        self.after_saving(now, then, decisions);
    }

    /// Workers that may hold news, the most advanced first. With `known`, only those that are known to hold any. Of the
    /// others the last report may be under way.
    fn possible_holders(&self, known: bool) -> Vec<WorkerId> {
        let mut holders: Vec<(Option<Position>, WorkerId)> =
            self.workers.iter().map(|(id, worker)| (self.reach(worker.reached), *id)).collect();
        if known {
            let saved = self.saved();
            holders.retain(|(at, _)| at.is_some_and(|at| at > saved));
        }
        holders.sort_by_key(|(position, id)| (std::cmp::Reverse(*position), *id));
        holders.into_iter().take(ASKED).map(|(_, id)| id).collect()
    }

    pub(crate) fn attested(
        &mut self,
        now: Duration,
        worker: WorkerId,
        request: u64,
        held: Option<(Held, u64)>,
        decisions: &mut Vec<Decision>,
    ) {
        if let Some(known) = self.workers.get_mut(&worker) {
            known.reached = held.map(|(held, _)| held.into());
        }
        let Phase::Saving(saving) = &mut self.phase else { return };
        let Stage::Asking { request: asked_with, asked, answers, .. } = &mut saving.stage else { return };
        if *asked_with != request || !asked.remove(&worker) {
            return;
        }
        let broke_its_word = held.is_none() && saving.then.is_end_of_all();
        if let Some(held) = held {
            answers.insert(worker, held);
        }
        if broke_its_word {
            self.set_aside(now, worker, BROKEN_WORD, decisions);
        }
        self.choose_holder(now, false, decisions);
    }

    /// Has a holder of the newest state send it, once all have answered. With `late` the rest is not waited for.
    fn choose_holder(&mut self, now: Duration, late: bool, decisions: &mut Vec<Decision>) {
        let Phase::Saving(saving) = &self.phase else { return };
        let Stage::Asking { asked, answers, .. } = &saving.stage else { return };
        if (!asked.is_empty() || self.may_return(now)) && !late {
            return;
        }
        let (then, answers, silent) = (saving.then.clone(), answers.clone(), asked.clone());
        if then.is_end_of_all() {
            // Only workers were asked that have said that they hold it.
            for id in silent {
                self.set_aside(now, id, "it does not say what state it holds", decisions);
            }
        }
        self.choose_among(now, then, answers, decisions);
    }

    /// Has one of those with the most advanced state send it.
    fn choose_among(&mut self, now: Duration, then: Then, answers: Answers, decisions: &mut Vec<Decision>) {
        // An answer that contradicts what is known is of no use to the run.
        let fits = |(held, digest): &(Held, u64)| {
            self.options.course.adds_up(held) && self.agreed(held.position).is_none_or(|agreed| agreed == *digest)
        };
        let asked: Vec<WorkerId> = answers.keys().copied().collect();
        let answers: Answers = answers.into_iter().filter(|(_, answer)| fits(answer)).collect();
        let newest = answers.values().filter_map(|(held, _)| self.news_of(Some((*held).into()))).max();
        let Some(newest) = newest else {
            for id in asked.into_iter().filter(|_| then.is_end_of_all()) {
                self.set_aside(now, id, BROKEN_WORD, decisions);
            }
            return self.after_coming(now, then, decisions);
        };
        let as_new = |(_, (held, _)): &(&WorkerId, &(Held, u64))| self.news_of(Some((*held).into())) == Some(newest);
        // The end of an epoch and the beginning of the next are one state with two positions, and so two digests.
        let place = answers.iter().filter(as_new).map(|(_, (held, _))| held.position).max();
        let (holders, rest): (Answers, Answers) =
            answers.into_iter().partition(|(id, answer)| as_new(&(id, answer)) && Some(answer.0.position) == place);
        let digests = holders.iter().map(|(id, (_, digest))| (*id, *digest)).collect();
        let ids: Vec<WorkerId> = holders.keys().copied().collect();
        let Some((first, (held, digest))) = self.best_sender(&ids).and_then(|id| Some((id, *holders.get(&id)?))) else {
            return;
        };
        if judge(&digests) != Verdict::Agreed {
            let names: Vec<String> = holders.keys().map(|id| self.name(*id)).collect();
            // Even the workers that are right have added up what the wrong one computed.
            self.void(&format!("the states of {} at {newest} differ", names.join(" and ")), decisions);
            return self.after_coming(now, then, decisions);
        }
        let holders = ids;
        let upload = self.ask_for_state(now, first, decisions);
        let stage = Stage::Coming { upload, held, digest, holders, rest };
        self.phase = Phase::Saving(Box::new(Saving { then, stage, unasked: self.has_unasked() }));
    }

    /// The state of `upload` has come, with `digest`. Returns whether it was waited for.
    pub(crate) fn saved_state_arrived(
        &mut self,
        now: Duration,
        upload: u64,
        (position, digest): (Position, u64),
        decisions: &mut Vec<Decision>,
    ) -> bool {
        let Phase::Saving(saving) = &self.phase else { return false };
        let Stage::Coming { upload: ordered, held, digest: expected, .. } = &saving.stage else { return false };
        if ordered.id != upload {
            return false;
        }
        if (position, digest) != (held.position, *expected) {
            self.saved_state_failed(now, upload, "what came is not what was to come", decisions);
            return true;
        }
        let (then, held, ordered) = (saving.then.clone(), *held, ordered.clone());
        self.has_sent(now, &ordered);
        decisions.push(self.checkpoint_of(upload, held));
        self.after_coming(now, then, decisions);
        true
    }

    /// The state of `upload` does not come. Returns whether it was waited for.
    pub(crate) fn saved_state_failed(
        &mut self,
        now: Duration,
        upload: u64,
        cause: &str,
        decisions: &mut Vec<Decision>,
    ) -> bool {
        let Phase::Saving(saving) = &self.phase else { return false };
        let Stage::Coming { upload: failed, held, digest, holders, rest } = &saving.stage else { return false };
        if failed.id != upload {
            return false;
        }
        let (then, failed, held, digest) = (saving.then.clone(), failed.clone(), *held, *digest);
        let mut rest = rest.clone();
        rest.retain(|id, _| self.workers.contains_key(id));
        let holders: Vec<WorkerId> = holders.iter().copied().filter(|id| self.workers.contains_key(id)).collect();
        let name = failed.name.clone();
        if holders.is_empty() {
            // Others may hold a state that is nearly as new.
            decisions.push(Decision::Note(format!("the state of {name} did not come: {cause}; asking the others")));
            self.save_then(now, then, decisions);
            return true;
        }
        if let Some(upload) = self.ask_again(now, &failed, &holders, self.patience_for_the_last()) {
            decisions.push(Decision::Warning(format!("the state of {name} did not come: {cause}; asking again")));
            let stage = Stage::Coming { upload, held, digest, holders, rest };
            self.phase = Phase::Saving(Box::new(Saving { then, stage, unasked: self.has_unasked() }));
            self.order_upload(now, decisions);
        } else {
            let why = format!("the newest state, of {}, could not be saved: {name}: {cause}", held.position);
            let mut others = self.workers.iter().filter(|(id, worker)| !holders.contains(id) && !worker.leaving);
            let others = others.any(|(_, worker)| !self.is_hopeless(worker));
            // Others can do the last steps again.
            let then = if then.is_end_of_all() && others { then } else { then.without(&why) };
            decisions.push(Decision::Warning(why));
            for holder in holders {
                self.set_aside(
                    now,
                    holder,
                    &format!("its state of {} did not come: {cause}", held.position),
                    decisions,
                );
            }
            self.choose_among(now, then, rest, decisions);
        }
        true
    }

    /// A worker is gone while a state is being saved.
    pub(crate) fn lost_while_saving(&mut self, now: Duration, worker: WorkerId, decisions: &mut Vec<Decision>) {
        let Phase::Saving(saving) = &mut self.phase else { return };
        match &mut saving.stage {
            Stage::Asking { asked, answers, .. } => {
                answers.remove(&worker);
                asked.remove(&worker);
                self.choose_holder(now, false, decisions);
            }
            Stage::Coming { upload, .. } if upload.worker == worker => {
                let id = upload.id;
                self.saved_state_failed(now, id, "it is gone", decisions);
            }
            Stage::Coming { .. } => {}
        }
    }

    /// Stops waiting for workers that do not answer, and for a state that does not come.
    pub(crate) fn watch_saving(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        self.order_upload(now, decisions);
        let patience = self.options.failure_timeout;
        let Phase::Saving(saving) = &self.phase else { return };
        match &saving.stage {
            Stage::Asking { since, asked, .. } => {
                // An engine in the middle of a long piece of work answers after it.
                let of = |id: &WorkerId| self.workers.get(id).map_or(patience, |worker| worker.patience(patience));
                let longest = asked.iter().map(of).max().unwrap_or(patience);
                let late = now.saturating_sub(*since) > longest;
                self.choose_holder(now, late, decisions);
            }
            Stage::Coming { upload, .. } if upload.is_late(now, patience) => {
                let (id, cause) = (upload.id, format!("nothing came for {} s", patience.as_secs_f64()));
                self.saved_state_failed(now, id, &cause, decisions);
            }
            Stage::Coming { .. } => {}
        }
    }

    /// The upload that is waited for, to note that a piece of it has come.
    pub(crate) fn saving_upload(&mut self) -> Option<&mut Upload> {
        match &mut self.phase {
            Phase::Saving(saving) => match &mut saving.stage {
                Stage::Coming { upload, .. } => Some(upload),
                Stage::Asking { .. } => None,
            },
            _ => None,
        }
    }

    /// Begins to wait anew: what was ordered could not be sent until now.
    pub(crate) fn wait_anew_while_saving(&mut self, now: Duration) {
        if let Phase::Saving(saving) = &mut self.phase
            && let Stage::Asking { since, .. } = &mut saving.stage
        {
            *since = now;
        }
    }

    /// A checkpoint of a state that has come. Its position is the one that it has by the recorded epochs.
    fn checkpoint_of(&mut self, upload: u64, held: Held) -> Decision {
        let position = Reached::from(held).progress(self.steps(), self.epochs_done());
        let evaluated = self.history.last().filter(|last| position == Position { epoch: last.epoch + 1, step: 0 });
        self.pending.insert(position);
        Decision::Checkpoint {
            upload,
            held: held.position,
            position,
            schedule: self.schedule().clone(),
            evaluation: evaluated.map(|record| (record.test_loss, record.test_accuracy)),
        }
    }

    fn after_saving(&mut self, now: Duration, then: Then, decisions: &mut Vec<Decision>) {
        let end = Position { epoch: self.options.course.epochs, step: 0 };
        match then {
            // All holders of the last state are gone: without it the run has come to nothing.
            Then::End(Ending { outcome: Outcome::Finished, .. }) if self.saved() < end => {
                let reason = "the state at the end is lost with those who held it: what led to it is done again";
                decisions.push(Decision::Warning(reason.to_owned()));
                self.after_saving(now, Then::GoOn(reason.to_owned()), decisions);
            }
            Then::End(ending) => {
                ending.reason.clone_into(&mut self.reason);
                self.phase = Phase::Over(ending.clone());
                for worker in self.workers.keys() {
                    let order = Order::Dismiss { reason: format!("the run is over: {}", ending.reason) };
                    decisions.push(Decision::Send { worker: *worker, order });
                }
                decisions.push(Decision::End(ending));
            }
            Then::GoOn(reason) => {
                self.phase = Phase::Waiting;
                self.dismiss_all_leaving(decisions);
                self.form_if_enough(now, &reason, decisions);
            }
        }
    }
}
