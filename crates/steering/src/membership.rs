//! Who takes part: workers that come, go and are lost, and the generations formed of them.

use crate::{
    Decision, Order, Steering, Worker, WorkerId,
    phase::{Halt, Phase},
};
use plan::{Position, Totals};
use std::{collections::BTreeMap, time::Duration};

/// Workers that prepare and are waited for by their names.
const PREPARING: usize = 3;

/// Members whose names go to all: a thousand names to a thousand workers would hold up what is urgent.
const NAMED: usize = 16;

impl Steering {
    pub(crate) fn attached(&mut self, now: Duration, id: WorkerId, name: String, host: String, held: Option<Position>) {
        let position = held.unwrap_or_default();
        self.workers.insert(
            id,
            Worker {
                name,
                host,
                prepared: false,
                leaving: false,
                position,
                last_seen: now,
                pulse: 0,
                waiting: true,
                moved: now,
                compute: 0.0,
                slow: None,
            },
        );
        if matches!(self.phase, Phase::Waiting) {
            self.reason = self.waiting_reason();
        }
    }

    pub(crate) fn prepared(&mut self, now: Duration, id: WorkerId, decisions: &mut Vec<Decision>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if std::mem::replace(&mut worker.prepared, true) || worker.leaving {
            return;
        }
        let came = format!("{} came", worker.name);
        let room = self.generation.members.len() < self.options.config.shards as usize;
        match self.phase {
            Phase::Waiting => self.form_if_enough(now, &came, decisions),
            Phase::Forming { .. } if room => self.reform(now, &came, decisions),
            Phase::Training { .. } if room => self.halt(Halt::Reform, &came, decisions),
            // A spare, or taken in before the next epoch.
            Phase::Forming { .. }
            | Phase::Training { .. }
            | Phase::Evaluating { .. }
            | Phase::Saving
            | Phase::Over(_) => {}
        }
    }

    pub(crate) fn leaving(&mut self, now: Duration, id: WorkerId, reason: &str, decisions: &mut Vec<Decision>) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.leaving = true;
        let text = format!("{} leaves: {reason}", worker.name);
        decisions.push(Decision::Note(text.clone()));
        let member = self.generation.has(id);
        match self.phase {
            Phase::Training { .. } if member => self.halt(Halt::Reform, &text, decisions),
            Phase::Forming { .. } if member => self.reform(now, &text, decisions),
            // It goes when this is done.
            Phase::Evaluating { .. } | Phase::Saving if member => {}
            _ => self.dismiss_leaving(decisions),
        }
    }

    /// Lets workers go that asked to and are no members.
    pub(crate) fn dismiss_leaving(&mut self, decisions: &mut Vec<Decision>) {
        for (id, worker) in &self.workers {
            if worker.leaving && !self.generation.has(*id) {
                let order = Order::Dismiss { reason: "as asked".to_owned() };
                decisions.push(Decision::Send { worker: *id, order });
            }
        }
    }

    pub(crate) fn give_up(&mut self, now: Duration, id: WorkerId, reason: &str, decisions: &mut Vec<Decision>) {
        decisions.push(Decision::Drop { worker: id, reason: reason.to_owned(), corrupt: false });
        self.lost(now, id, reason, decisions);
    }

    pub(crate) fn lost(&mut self, now: Duration, id: WorkerId, cause: &str, decisions: &mut Vec<Decision>) {
        let Some(worker) = self.workers.remove(&id) else { return };
        if matches!(self.phase, Phase::Over(_)) {
            return;
        }
        let member = self.generation.has(id);
        if !member {
            if !worker.leaving {
                decisions.push(Decision::Note(format!("{} is gone: {cause}", worker.name)));
            }
            if matches!(self.phase, Phase::Waiting) {
                self.reason = self.waiting_reason();
            }
            return;
        }
        let kind = format!("{} lost: {cause}", worker.name);
        decisions.push(Decision::Note(kind.clone()));
        self.failed_at = Some(now);
        // It explains what its victims reported, which then says nothing against the next generation.
        self.fruitless = 0;
        let detected_ms = now.saturating_sub(worker.last_seen).as_millis() as u64;
        match self.recoveries.last_mut() {
            Some(recovery) if std::mem::take(&mut self.unnamed) => recovery.kind.clone_from(&kind),
            _ => self.recovery(kind.clone(), detected_ms),
        }
        self.reform(now, &kind, decisions);
    }

    /// Ends the generation and forms the next, if there are workers enough.
    pub(crate) fn reform(&mut self, now: Duration, reason: &str, decisions: &mut Vec<Decision>) {
        let generation = self.generation.number;
        for member in std::mem::take(&mut self.generation.members) {
            if self.workers.contains_key(&member) {
                let order = Order::Abort { generation, reason: reason.to_owned() };
                decisions.push(Decision::Send { worker: member, order });
            }
        }
        self.dismiss_leaving(decisions);
        self.form_if_enough(now, reason, decisions);
    }

    fn form_if_enough(&mut self, now: Duration, reason: &str, decisions: &mut Vec<Decision>) {
        let able: Vec<WorkerId> =
            self.workers.iter().filter(|(_, worker)| worker.is_able()).map(|(id, _)| *id).collect();
        if able.len() < self.needed() {
            self.phase = Phase::Waiting;
            self.reason = self.waiting_reason();
            if let Some(stop) = self.stop.clone() {
                self.end(crate::Outcome::Stopped, &stop, decisions);
            }
            return;
        }
        self.begun = true;
        let members: Vec<WorkerId> = able.into_iter().take(self.options.config.shards as usize).collect();
        self.generation.number = self.generation.number.max(self.last_known) + 1;
        self.digests.begin();
        self.generation.members = members;
        let generation = self.generation.number;
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

    /// Workers without which there is no generation.
    fn needed(&self) -> usize {
        if self.begun { self.options.min_workers.max(1) } else { self.options.workers.max(1) }
    }

    pub(crate) fn waiting_reason(&self) -> String {
        let (needed, able) = (self.needed(), self.workers.values().filter(|worker| worker.is_able()).count());
        let missing = needed.saturating_sub(able);
        let preparing: Vec<&str> = self
            .workers
            .values()
            .filter(|worker| !worker.prepared && !worker.leaving)
            .map(|worker| worker.name.as_str())
            .collect();
        match preparing.len() {
            0 => format!("waiting for {missing} of {needed} workers"),
            1 => format!("waiting for {missing} of {needed} workers: {} prepares", preparing[0]),
            2..=PREPARING => format!("waiting for {missing} of {needed} workers: {} prepare", preparing.join(", ")),
            many => format!("waiting for {missing} of {needed} workers: {many} prepare"),
        }
    }

    pub(crate) fn store_opened(&mut self, worker: WorkerId, port: u16, decisions: &mut Vec<Decision>) {
        if !matches!(self.phase, Phase::Forming { .. }) || self.generation.members.first() != Some(&worker) {
            return;
        }
        let generation = self.generation.number;
        let host = self.workers.get(&worker).map_or_else(String::new, |worker| worker.host.clone());
        self.to_all(decisions, |_| Order::Connect { generation, host: host.clone(), port });
    }

    pub(crate) fn ready(
        &mut self,
        now: Duration,
        worker: WorkerId,
        held: Option<Position>,
        totals: Totals,
        decisions: &mut Vec<Decision>,
    ) {
        let recorded = self.epochs_done();
        let Phase::Forming { ready, .. } = &mut self.phase else { return };
        ready.insert(worker, (held, totals));
        if ready.len() < self.generation.members.len() {
            return;
        }
        // The most advanced is right: its last reduction held everybody's share. Of equals the lowest rank. One that comes
        // back to a run that had to begin an earlier epoch again is of no use: what was decided in between is not recorded
        // any more.
        let mut source: (u32, Option<(Position, Totals)>) = (0, None);
        for (rank, member) in self.generation.members.iter().enumerate() {
            if let Some((Some(position), totals)) = ready.get(member)
                && position.epoch <= recorded
                && source.1.is_none_or(|(best, _)| *position > best)
            {
                source = (rank as u32, Some((*position, *totals)));
            }
        }
        let (source_rank, mut held) = source;
        let mut from_checkpoint = None;
        if let Some((name, position, totals)) = &self.checkpoint
            && held.is_none_or(|(held, _)| *position > held)
        {
            held = Some((*position, *totals));
            from_checkpoint = Some(name.clone());
        }
        let generation = self.generation.number;
        let initial = held.is_none();
        self.to_all(decisions, |_| Order::Synchronise {
            generation,
            source_rank,
            checkpoint: from_checkpoint.clone(),
            initial,
        });
        let (position, totals) = held.unwrap_or_default();
        self.proceed(now, position, totals, decisions);
    }
}
