//! Newcomers cost those who work little, whatever is wrong with them.
//!
//! A *newcomer* is a member that has committed no step yet. Each attempt with one stops the others until it has succeeded or
//! failed. After a failure those who work go on without newcomers for so many times as long as it took: so all newcomers
//! together cost them a tenth of their time at the most.

use crate::{Steering, WorkerId, selection::Candidate};
use plan::LONGEST_PATIENCE;
use std::time::Duration;

/// How much longer those who work go on undisturbed than a failed attempt with newcomers took.
const REST: u32 = 9;

/// The least of it: steps are lost before a generation is formed, and after it has failed.
const LEAST: Duration = Duration::from_secs(2);

/// Workers with which one that has only ever worked alone has to have failed to be suspected itself.
const PARTNERS: usize = 2;

impl Steering {
    /// Whether a worker has committed a step as a member, and was not set aside since.
    pub(crate) fn is_proven(&self, worker: WorkerId) -> bool {
        self.workers.get(&worker).is_some_and(|worker| worker.proven)
    }

    /// Takes notice that the generation failed at `now`, and that `suspects` are taken for the cause.
    pub(crate) fn disturbed(&mut self, now: Duration, suspects: &[WorkerId]) {
        if self.reforming.is_some() || !self.losses.is_empty() {
            // It has failed in this moment already, whoever fails next.
            return;
        }
        let by_newcomers = suspects.iter().any(|id| self.generation.has(*id) && !self.is_proven(*id));
        if by_newcomers && self.generation.members.iter().any(|member| self.is_proven(*member)) {
            let took =
                now.saturating_sub(self.generation.formed).min(LONGEST_PATIENCE.max(self.options.failure_timeout));
            let rest = took.saturating_mul(REST).max(LEAST);
            self.undisturbed_until = self.undisturbed_until.max(now + rest);
        }
    }

    /// How many newcomers may be members of a generation that is formed at `now` of `candidates`, beside those without whom it
    /// is too small.
    pub(crate) fn newcomers_at(&self, now: Duration, candidates: &[Candidate]) -> usize {
        let undisturbed = now < self.undisturbed_until && candidates.iter().any(|candidate| candidate.proven);
        if undisturbed { 0 } else { self.trial }
    }

    /// The one of `members` that is suspected instead of `suspects`: all others of them. It has worked alone and with nobody
    /// else, and failed with two by now, who may well work together. That happens to it once.
    pub(crate) fn loner(&mut self, members: &[Candidate], suspects: &[WorkerId]) -> Option<(WorkerId, String)> {
        let mut others = members.iter().map(|member| member.id).filter(|id| !suspects.contains(id));
        let (id, None) = (others.next()?, others.next()) else { return None };
        let names: Vec<String> = suspects.iter().map(|suspect| self.name(*suspect)).collect();
        let worker = self.workers.get_mut(&id).filter(|worker| worker.proven && !worker.met && !worker.doubted)?;
        let another = names.into_iter().find(|name| !worker.failed_with.contains(name));
        worker.failed_with.extend(another);
        if worker.failed_with.len() < PARTNERS {
            return None;
        }
        worker.doubted = true;
        let names: Vec<&str> = worker.failed_with.iter().map(String::as_str).collect();
        let reason = format!(
            "neither of {} can work with it; perhaps its address {} cannot be reached",
            names.join(" and "),
            worker.host
        );
        Some((id, reason))
    }
}
