//! How a generation is formed: of whom, from which state, and who is suspected where it is not.

use crate::{
    digest::Digests,
    held::Reached,
    order::{Decision, Order, Outcome},
    phase::Phase,
    selection::{self, Candidate},
    steering::Steering,
    worker::{Worker, WorkerId},
};
use plan::{Held, Position, Totals};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Workers that prepare and are waited for by their names.
const PREPARING: usize = 3;

/// Members whose names go to all: a thousand names to a thousand workers would hold up what is urgent.
const NAMED: usize = 16;

/// Generations in a row without a step, and without a loss that explains it, after which somebody is suspected. The first one
/// is often explained by a loss that is noticed a moment later.
const FRUITLESS: u32 = 2;

/// Suspicions after which a worker is no longer tried again at once, even where nobody else is left.
const HASTY: u32 = 2;

impl Steering {
    /// Workers that could be members at `now`.
    pub(crate) fn candidates(&self, now: Duration) -> Vec<Candidate> {
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
    pub(crate) fn select(&self, now: Duration) -> Vec<WorkerId> {
        let size = self.needed()..self.options.course.shards as usize;
        let candidates = self.candidates(now);
        selection::select(&candidates, size, self.newcomers_at(now, &candidates))
    }

    pub(crate) fn form_if_enough(&mut self, now: Duration, reason: &str, decisions: &mut Vec<Decision>) {
        let able = self.candidates(now).len();
        if self.is_paused() || able < self.needed() {
            self.phase = Phase::Waiting;
            self.reason = self.waiting_reason(now);
            if self.is_paused() {
                return;
            }
            return self.give_up_if_hopeless(now, decisions);
        }
        let members = self.select(now);
        self.begun = true;
        self.generation.number = self.generation.number.max(self.last_known).saturating_add(1);
        self.generation.from = None;
        self.generation.formed = now;
        self.generation.digests = Digests::default();
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

    /// Workers without which there is no generation. First these are all that a run begins with, and later as many as
    /// it cannot do without. A coordinator that comes back to a run waits for all of them only as long as for one that
    /// is silent. Those that have failed again and again are not waited for.
    pub(crate) fn needed(&self) -> usize {
        let hopeless = self.workers.values().filter(|worker| !worker.leaving && self.is_hopeless(worker)).count();
        self.wanted().saturating_sub(hopeless).max(self.options.min_workers.max(1))
    }

    /// The same, and those that have failed again and again are counted. As long as fewer are here another may come.
    pub(crate) fn wanted(&self) -> usize {
        let waited = self.clock.wall().saturating_sub(self.first_look.unwrap_or_default());
        let least_will_do = self.begun || (self.inherited > 0 && waited > self.options.failure_timeout);
        if least_will_do { self.options.min_workers.max(1) } else { self.options.workers.max(1) }
    }

    pub(crate) fn waiting_reason(&self, now: Duration) -> String {
        if let Some(pause) = &self.asked.pause {
            return pause.reason.clone();
        }
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
            [(first, why), (second, also)] => {
                parts.push(format!("{first} ({why}) and {second} ({also}) are set aside"));
            }
            [(name, reason), rest @ ..] => {
                parts.push(format!("{name} ({reason}) and {} others are set aside", rest.len()));
            }
        }
        let mut waiting = format!("waiting for {missing} of {needed} workers");
        let least = self.options.min_workers.max(1);
        if self.inherited > 0 && !self.begun && least < needed {
            let timeout = self.options.failure_timeout.as_secs_f64();
            waiting = format!("{waiting}, {timeout} s at the longest, and then for {least} of them");
        }
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
        // An engine in the middle of a long piece of work comes after it. A newcomer's has nothing to do, however slow it is.
        let busy = self.generation.members.iter().filter_map(|id| self.workers.get(id)).filter(|worker| worker.worked);
        let patience = busy.map(|worker| worker.patience(timeout)).max().unwrap_or(timeout);
        if now.saturating_sub(*since) <= patience {
            return;
        }
        let late: BTreeSet<WorkerId> =
            self.generation.members.iter().copied().filter(|member| !ready.contains_key(member)).collect();
        let reason =
            format!("did not come to generation {} within {:.1} s", self.generation.number, patience.as_secs_f64());
        if let [alone] = self.generation.members[..] {
            // It depends on nobody.
            return self.give_up(now, alone, &reason, decisions);
        }
        let waited = now.saturating_sub(*since).as_millis() as u64;
        self.failed_at.get_or_insert(self.clock.wall());
        let names = |late: &BTreeSet<WorkerId>| {
            let names: Vec<String> = late.iter().take(PREPARING).map(|id| self.name(*id)).collect();
            let more = if late.len() > PREPARING { " and others" } else { "" };
            format!("{}{more} {reason}", names.join(", "))
        };
        let told = names(&late);
        self.recovery(told.clone(), waited);
        let others = format!("it is new, and with it {told}");
        let why = |id: WorkerId| if late.contains(&id) { reason.clone() } else { others.clone() };
        self.blame(now, &late, why, decisions);
        self.reform(&told);
    }

    /// A generation came to nothing, and nobody is known to be the cause.
    pub(crate) fn fruitless_generation(&mut self, now: Duration, reason: &str, decisions: &mut Vec<Decision>) {
        self.fruitless += 1;
        if self.fruitless >= FRUITLESS {
            let all = self.generation.members.iter().copied().collect();
            let why = format!("was in a generation that failed: {reason}");
            self.blame(now, &all, |_| why.clone(), decisions);
        }
        self.reform(reason);
    }

    /// Sets aside those of the members that are to be suspected, and lets fewer newcomers be tried next. `late` did not
    /// come.
    fn blame(
        &mut self,
        now: Duration,
        late: &BTreeSet<WorkerId>,
        why: impl Fn(WorkerId) -> String,
        decisions: &mut Vec<Decision>,
    ) {
        let members: Vec<Candidate> =
            self.generation.members.iter().filter_map(|id| Some(self.candidate(*id, self.workers.get(id)?))).collect();
        if members.len() < 2 {
            // One alone depends on nobody, and would have failed for a reason of its own.
            return;
        }
        let mut suspects = selection::suspects(&members, late);
        if let Some((loner, reason)) = self.loner(&members, &suspects) {
            self.trial = suspects.len().max(2);
            // What it has done alone is not lost.
            self.save_first = true;
            return self.suspect(now, loner, &reason, decisions);
        }
        self.disturbed(now, &suspects);
        self.trial = selection::after_failure(suspects.len());
        let free = self.candidates(now).iter().filter(|candidate| !suspects.contains(&candidate.id)).count();
        // Somebody has to go on: where only suspects are left, those who failed least are tried again at once.
        let strikes = |id: &WorkerId| members.iter().find(|member| member.id == *id).map_or(0, |member| member.strikes);
        suspects.sort_by_key(|id| (strikes(id), *id));
        let kept = if free >= self.needed() { 0 } else { self.trial.max(self.needed() - free) };
        for (index, id) in suspects.into_iter().enumerate() {
            if index < kept && strikes(&id) < HASTY {
                let name = self.name(id);
                self.register.suspect(&name, &why(id), now);
                self.register.readmit(&name, now);
            } else {
                self.suspect(now, id, &why(id), decisions);
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
            known.reached = held.map(|(held, _)| held.into());
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
        let usable = |held: &Held| {
            Reached::from(*held).is_usable(steps, recorded, &lineages) && self.options.course.adds_up(held)
        };
        let holders: Vec<(u32, WorkerId, Held, u64)> = (0..)
            .zip(&self.generation.members)
            .filter_map(|(rank, id)| {
                ready.get(id)?.filter(|(held, _)| usable(held)).map(|(h, digest)| (rank, *id, h, digest))
            })
            .collect();
        let newest = holders.iter().map(|(_, _, held, _)| held.position).max();
        let far = holders.iter().map(|(_, _, held, _)| Reached::from(*held).progress(steps, recorded)).max();
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
            (Position::default(), Totals::default(), (0, None, true, None))
        };
        let (source_rank, checkpoint, initial, digest) = order;
        self.generation.from = Some(position);
        for member in &self.generation.members {
            if let Some(worker) = self.workers.get_mut(member) {
                worker.given = true;
            }
        }
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
