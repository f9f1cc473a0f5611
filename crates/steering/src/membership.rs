//! Who takes part: workers that come, go and are lost, and the generations formed of them.

use crate::{
    Decision, Held, Order, Outcome, Steering, Worker, WorkerId,
    phase::{Halt, Phase},
    saving::Then,
    selection::{self, Candidate},
};
use plan::Position;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Workers that prepare and are waited for by their names.
const PREPARING: usize = 3;

/// Members whose names go to all: a thousand names to a thousand workers would hold up what is urgent.
const NAMED: usize = 16;

/// Losses of one moment that are recorded one by one.
const RECORDED: usize = 3;

/// Generations in a row without a step, and without a loss that explains it, after which somebody is suspected. The first one
/// is often explained by a loss that is noticed a moment later.
const FRUITLESS: u32 = 2;

/// Suspicions after which a worker is no longer tried again at once, even where nobody else is left.
const HASTY: u32 = 2;

/// A member that was lost.
#[derive(Debug, Clone)]
pub(crate) struct Loss {
    kind: String,
    /// From its last sign of life to the notice.
    detected: Duration,
}

impl Steering {
    pub(crate) fn attached(&mut self, now: Duration, id: WorkerId, name: String, host: String, held: Option<Held>) {
        self.workers.insert(id, Worker::new(now, name, host, held));
        self.explain_waiting(now);
    }

    /// Says what is waited for, if the run waits.
    pub(crate) fn explain_waiting(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Waiting) {
            self.reason = self.waiting_reason(now);
        }
    }

    pub(crate) fn prepared(&mut self, now: Duration, id: WorkerId, decisions: &mut Vec<Decision>) {
        let wall = self.clock.wall();
        let Some(worker) = self.workers.get_mut(&id).filter(|worker| wall >= worker.aside) else { return };
        if std::mem::replace(&mut worker.prepared, true) || worker.leaving {
            return;
        }
        let (came, failure) = (format!("{} came", worker.name), self.options.failure_timeout);
        if worker.rehearsed > failure {
            decisions.push(Decision::Note(format!(
                "{} is slow: a single piece of its work takes {:.1} s, so it counts as stuck only after {:.0} s. If generations \
                 fail to form with it, raise --failure-timeout (it is {} s)",
                worker.name,
                worker.rehearsed.as_secs_f64(),
                worker.patience(failure).as_secs_f64(),
                failure.as_secs_f64()
            )));
        }
        self.take_in(now, &came, decisions);
    }

    /// Takes in who is able and no member, if there is a place.
    pub(crate) fn take_in(&mut self, now: Duration, reason: &str, decisions: &mut Vec<Decision>) {
        match self.phase {
            Phase::Waiting => self.form_if_enough(now, reason, decisions),
            Phase::Forming { .. } if self.has_room(now) => self.reform(reason),
            Phase::Training { .. } if self.has_room(now) => self.halt(Halt::Reform, reason, decisions),
            // Spares, or taken in before the next epoch.
            _ => {}
        }
    }

    /// Whether the next generation would have a member that this one has not.
    pub(crate) fn has_room(&self, now: Duration) -> bool {
        // Cheap where nobody is waiting, which is nearly always.
        self.generation.members.len() < self.options.config.shards as usize
            && self.generation.members.len() < self.workers.len()
            && self.select(now).iter().any(|id| !self.generation.has(*id))
    }

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
        if self.generation.members.is_empty() && self.only_leavers_hold_the_news() {
            return self.save_then(now, Then::GoOn(reason.to_owned()), decisions);
        }
        self.dismiss_leaving(decisions);
        self.explain_waiting(now);
    }

    pub(crate) fn dismiss_leaving(&mut self, decisions: &mut Vec<Decision>) {
        for (id, worker) in &self.workers {
            if worker.leaving && !self.generation.has(*id) {
                let order = Order::Dismiss { reason: "as asked".to_owned() };
                decisions.push(Decision::Send { worker: *id, order });
            }
        }
    }

    pub(crate) fn give_up(&mut self, now: Duration, id: WorkerId, reason: &str, decisions: &mut Vec<Decision>) {
        if matches!(self.phase, Phase::Over(_)) {
            return;
        }
        decisions.push(Decision::Drop { worker: id, reason: reason.to_owned(), corrupt: false });
        self.lost(now, id, reason, decisions);
    }

    /// A worker is gone. However many go in one moment, the next generation is formed once.
    pub(crate) fn lost(&mut self, now: Duration, id: WorkerId, cause: &str, decisions: &mut Vec<Decision>) {
        let member = self.generation.has(id);
        let Some(worker) = self.workers.remove(&id) else { return };
        if matches!(self.phase, Phase::Over(_)) {
            return;
        }
        if !member {
            if !worker.leaving {
                decisions.push(Decision::Note(format!("{} is gone: {cause}", worker.name)));
            }
            self.lost_while_saving(now, id, decisions);
            return self.explain_waiting(now);
        }
        let again = self.register.is_lost_again(&worker.name, self.furthest);
        if !worker.proven || again {
            // It has never been of use, or the run has come no further since it was lost before.
            self.register.strike(&worker.name, cause, now);
        }
        let kind = format!("{} lost: {cause}", worker.name);
        decisions.push(Decision::Note(kind.clone()));
        self.losses.push(Loss { kind, detected: now.saturating_sub(worker.last_seen) });
    }

    /// Ends the generation as soon as all that has happened in this moment is known, and forms the next.
    pub(crate) fn reform(&mut self, reason: &str) {
        self.reforming.get_or_insert_with(|| reason.to_owned());
    }

    /// Does what follows from all that has happened in a moment.
    pub(crate) fn settle(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        let losses = std::mem::take(&mut self.losses);
        let reforming = self.reforming.take();
        if matches!(self.phase, Phase::Over(_) | Phase::Saving(_)) {
            return;
        }
        self.record_losses(&losses);
        let lost = losses.first().map(|loss| loss.kind.clone());
        let Some(reason) = lost.or(reforming) else { return };
        self.leave_generation(&reason, decisions);
        if let Some(stop) = self.stop.clone() {
            return self.end(now, Outcome::Stopped, &stop, decisions);
        }
        self.phase = Phase::Waiting;
        if self.only_leavers_hold_the_news() {
            return self.save_then(now, Then::GoOn(reason), decisions);
        }
        self.dismiss_leaving(decisions);
        self.form_if_enough(now, &reason, decisions);
    }

    fn record_losses(&mut self, losses: &[Loss]) {
        let Some(first) = losses.first() else { return };
        self.failed_at = Some(self.clock.wall());
        // It explains what its victims reported, which then says nothing against the next generation.
        self.fruitless = 0;
        let kinds: Vec<(String, Duration)> = if losses.len() > RECORDED {
            let detected = losses.iter().map(|loss| loss.detected).max().unwrap_or_default();
            vec![(format!("{}, and {} others in the same moment", first.kind, losses.len() - 1), detected)]
        } else {
            losses.iter().map(|loss| (loss.kind.clone(), loss.detected)).collect()
        };
        for (kind, detected) in kinds {
            match self.recoveries.last_mut() {
                Some(recovery) if std::mem::take(&mut self.unnamed) => recovery.kind = kind,
                _ => self.recovery(kind, detected.as_millis() as u64),
            }
        }
    }

    /// Tells the members that the generation is over.
    pub(crate) fn leave_generation(&mut self, reason: &str, decisions: &mut Vec<Decision>) {
        let generation = self.generation.number;
        for member in std::mem::take(&mut self.generation.members) {
            if self.workers.contains_key(&member) {
                let order = Order::Abort { generation, reason: reason.to_owned() };
                decisions.push(Decision::Send { worker: member, order });
            }
        }
    }

    /// Workers that could be members at `now`.
    fn candidates(&self, now: Duration) -> Vec<Candidate> {
        self.workers
            .iter()
            .filter(|(_, worker)| worker.prepared && !worker.leaving && !self.register.is_aside(&worker.name, now))
            .map(|(id, worker)| self.candidate(*id, worker))
            .collect()
    }

    fn candidate(&self, id: WorkerId, worker: &Worker) -> Candidate {
        Candidate { id, proven: worker.proven, strikes: self.register.strikes(&worker.name) }
    }

    /// The members of a generation that were formed at `now`.
    fn select(&self, now: Duration) -> Vec<WorkerId> {
        let size = self.needed()..self.options.config.shards as usize;
        selection::select(&self.candidates(now), size, self.trial)
    }

    pub(crate) fn form_if_enough(&mut self, now: Duration, reason: &str, decisions: &mut Vec<Decision>) {
        let able = self.candidates(now).len();
        if able < self.needed() {
            self.phase = Phase::Waiting;
            self.reason = self.waiting_reason(now);
            return self.give_up_if_hopeless(now, decisions);
        }
        let members = self.select(now);
        self.begun = true;
        self.generation.number = self.generation.number.max(self.last_known).saturating_add(1);
        self.generation.from = None;
        self.digests.begin();
        let generation = self.generation.number;
        for (id, worker) in &mut self.workers {
            if members.binary_search(id).is_ok() {
                worker.member_since.get_or_insert(now);
                worker.moved = now;
            } else {
                worker.member_since = None;
            }
        }
        self.generation.members = members;
        let names: Vec<String> = self.generation.members.iter().map(|member| self.name(*member)).collect();
        self.reason = format!("forming generation {generation} of {}: {reason}", names.join(", "));
        self.phase = Phase::Forming { since: now, ready: BTreeMap::new() };
        decisions.push(Decision::Generation { generation, members: names.clone(), reason: reason.to_owned() });
        let (world_size, named) = (names.len() as u32, &names[..names.len().min(NAMED)]);
        self.to_all(decisions, |rank| Order::Form {
            generation,
            rank: rank as u32,
            world_size,
            members: named.to_vec(),
        });
    }

    /// Ends a run whose workers have all failed again and again.
    pub(crate) fn give_up_if_hopeless(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        if let Some(why) = self.hopeless(now) {
            self.end(now, Outcome::Failed, &format!("nobody who could go on is left: {why}"), decisions);
        }
    }

    /// Workers without which there is no generation.
    pub(crate) fn needed(&self) -> usize {
        if self.begun { self.options.min_workers.max(1) } else { self.options.workers.max(1) }
    }

    pub(crate) fn waiting_reason(&self, now: Duration) -> String {
        let needed = self.needed();
        let missing = needed.saturating_sub(self.candidates(now).len());
        let mut parts = Vec::new();
        let staying = || self.workers.values().filter(|worker| !worker.leaving);
        let preparing: Vec<&str> = staying()
            .filter(|worker| !worker.prepared && self.register.strikes(&worker.name) == 0)
            .map(|w| w.name.as_str())
            .collect();
        match preparing.len() {
            0 => {}
            1 => parts.push(format!("{} prepares", preparing[0])),
            2..=PREPARING => parts.push(format!("{} prepare", preparing.join(", "))),
            many => parts.push(format!("{many} prepare")),
        }
        let aside: Vec<(&str, &str)> = staying()
            .filter(|worker| !worker.prepared || self.register.is_aside(&worker.name, now))
            .filter_map(|worker| Some((worker.name.as_str(), self.register.of(&worker.name)?.reason.as_str())))
            .collect();
        match aside.as_slice() {
            [] => {}
            [(name, reason)] => parts.push(format!("{name} is set aside: {reason}")),
            [(name, reason), rest @ ..] => {
                parts.push(format!("{name} ({reason}) and {} others are set aside", rest.len()));
            }
        }
        let waiting = format!("waiting for {missing} of {needed} workers");
        if parts.is_empty() { waiting } else { format!("{waiting}: {}", parts.join("; ")) }
    }

    pub(crate) fn store_opened(&mut self, worker: WorkerId, port: u16, decisions: &mut Vec<Decision>) {
        if !matches!(self.phase, Phase::Forming { .. }) || self.generation.members.first() != Some(&worker) {
            return;
        }
        let generation = self.generation.number;
        let host = self.workers.get(&worker).map_or_else(String::new, |worker| worker.host.clone());
        self.to_all(decisions, |_| Order::Connect { generation, host: host.clone(), port });
    }

    /// Sets aside who is to be suspected when a generation was not formed in time.
    pub(crate) fn give_up_late(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        let timeout = self.options.failure_timeout;
        let Phase::Forming { since, ready } = &self.phase else { return };
        // An engine in the middle of a long piece of work comes after it.
        let of = |id: &WorkerId| self.workers.get(id).map_or(timeout, |worker| worker.patience(timeout));
        let patience = self.generation.members.iter().map(of).max().unwrap_or(timeout);
        if now.saturating_sub(*since) <= patience {
            return;
        }
        let late = self.generation.members.iter().copied().filter(|member| !ready.contains_key(member)).collect();
        let reason =
            format!("did not come to generation {} within {} s", self.generation.number, patience.as_secs_f64());
        if let [alone] = self.generation.members[..] {
            // It depends on nobody.
            return self.give_up(now, alone, &reason, decisions);
        }
        self.recovery(format!("generation {} was not formed", self.generation.number), 0);
        self.failed_at.get_or_insert(self.clock.wall());
        self.blame(now, &late, &reason, decisions);
        self.reform(&reason);
    }

    /// A generation came to nothing, and nobody is known to be the cause.
    pub(crate) fn fruitless_generation(&mut self, now: Duration, reason: &str, decisions: &mut Vec<Decision>) {
        self.fruitless += 1;
        if self.fruitless >= FRUITLESS {
            let all = self.generation.members.iter().copied().collect();
            self.blame(now, &all, &format!("was in a generation that failed: {reason}"), decisions);
        }
        self.reform(reason);
    }

    /// Sets aside who is to be suspected of the members, of which `late` did not come, and has fewer newcomers tried next.
    fn blame(&mut self, now: Duration, late: &BTreeSet<WorkerId>, reason: &str, decisions: &mut Vec<Decision>) {
        let members: Vec<Candidate> =
            self.generation.members.iter().filter_map(|id| Some(self.candidate(*id, self.workers.get(id)?))).collect();
        if members.len() < 2 {
            // One alone depends on nobody, and would have failed for a reason of its own.
            return;
        }
        let mut suspects = selection::suspects(&members, late);
        self.trial = selection::after_failure(suspects.len());
        let free = self.candidates(now).iter().filter(|candidate| !suspects.contains(&candidate.id)).count();
        // Somebody has to go on: where only suspects are left, those who failed least are tried again at once.
        let strikes = |id: &WorkerId| members.iter().find(|member| member.id == *id).map_or(0, |member| member.strikes);
        suspects.sort_by_key(|id| (strikes(id), *id));
        let kept = if free >= self.needed() { 0 } else { self.trial.max(self.needed() - free) };
        for (index, id) in suspects.into_iter().enumerate() {
            if index < kept && strikes(&id) < HASTY {
                let name = self.name(id);
                self.register.suspect(&name, reason, now);
                self.register.readmit(&name, now);
            } else {
                self.suspect(now, id, reason, decisions);
            }
        }
    }

    pub(crate) fn ready(
        &mut self,
        now: Duration,
        worker: WorkerId,
        held: Option<(Held, u64)>,
        decisions: &mut Vec<Decision>,
    ) {
        if let Some(known) = self.workers.get_mut(&worker) {
            known.held = held.map(|(held, _)| held);
        }
        let Phase::Forming { ready, .. } = &mut self.phase else { return };
        ready.insert(worker, held);
        self.begin_where_it_stands(now, decisions);
    }

    /// Once all members are ready: has them take over the newest state that there is.
    pub(crate) fn begin_where_it_stands(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        let (steps, recorded, lineages) = (self.steps(), self.epochs_done(), self.lineages());
        let Phase::Forming { ready, .. } = &self.phase else { return };
        if ready.len() < self.generation.members.len() {
            return;
        }
        // The most advanced is right: its last reduction held everybody's share. Of equals the lowest rank.
        let usable = |held: &Held| held.is_usable(steps, recorded, &lineages) && held.adds_up(&self.options.config);
        let holders: Vec<(u32, WorkerId, Held, u64)> = (0..)
            .zip(&self.generation.members)
            .filter_map(|(rank, id)| {
                ready.get(id)?.filter(|(held, _)| usable(held)).map(|(h, digest)| (rank, *id, h, digest))
            })
            .collect();
        let newest = holders.iter().map(|(_, _, held, _)| held.position).max();
        let far = holders.iter().map(|(_, _, held, _)| held.progress(steps, recorded)).max();
        // One that was written late may be of a course whose last epochs are not recorded any more.
        let saved = self.checkpoint.clone().filter(|(_, saved, _)| saved.epoch <= recorded);
        let behind = |at: Position| far.is_none_or(|far| at > far);
        let coming = self.pending.iter().copied().filter(|at| at.epoch <= recorded && behind(*at)).max();
        if let Some(coming) = coming.filter(|at| saved.as_ref().is_none_or(|(_, saved, _)| saved < at)) {
            // Who held it is gone. It is given up only if it cannot be written.
            self.reason = format!("waiting for the checkpoint of {coming} to be on disk");
            if let Phase::Forming { since, .. } = &mut self.phase {
                *since = now;
            }
            return;
        }
        let saved = saved.filter(|(_, saved, _)| far.is_none_or(|far| *saved > far));
        let generation = self.generation.number;
        let (position, totals, order) = if let Some((name, position, totals)) = saved {
            (position, totals, (0, Some(name), false, None))
        } else if let Some(newest) = newest {
            let at_front: Vec<_> = holders.iter().filter(|(_, _, held, _)| held.position == newest).collect();
            let digests = at_front.iter().map(|(_, id, _, digest)| (*id, *digest)).collect();
            let Some((rank, _, held, digest)) = at_front.first().map(|first| **first) else { return };
            if !self.compare(now, newest, &digests, decisions) {
                return;
            }
            self.agree(newest, digest);
            (held.position, held.totals, (rank, None, false, Some(digest)))
        } else {
            (Position::default(), plan::Totals::default(), (0, None, true, None))
        };
        let (source_rank, checkpoint, initial, digest) = order;
        self.generation.from = Some(position);
        self.to_all(decisions, |_| Order::Synchronise {
            generation,
            source_rank,
            checkpoint: checkpoint.clone(),
            initial,
            digest,
        });
        for member in self.generation.members.clone() {
            if let Some(worker) = self.workers.get_mut(&member) {
                // What it holds is known when it says so.
                worker.position = position;
            }
        }
        self.proceed(now, position, totals, decisions);
    }
}
