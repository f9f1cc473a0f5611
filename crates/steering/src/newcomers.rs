//! Newcomers cost working members little, whatever is wrong with them.
//!
//! A *newcomer* is a member that has committed no step yet. Each attempt with one stops the others until it has
//! succeeded or failed. After a failure the others go on without newcomers for nine times as long as it took. So all
//! newcomers together cost them a tenth of their time at the most.

use crate::{selection::Candidate, steering::Steering, worker::WorkerId};
use plan::LONGEST_PATIENCE;
use std::time::Duration;

/// After a failed attempt with newcomers, the others go on undisturbed for this many times as long as it took.
const REST: u32 = 9;

/// The shortest such time: steps are lost before a generation is formed, and after it has failed.
const LEAST: Duration = Duration::from_secs(2);

/// A worker that has only ever worked alone is suspected itself once it has failed with this many others.
const PARTNERS: usize = 2;

impl Steering {
    /// Whether a worker has committed a step as a member, and was not set aside since.
    pub(crate) fn is_proven(&self, worker: WorkerId) -> bool {
        self.workers.get(&worker).is_some_and(|worker| worker.proven)
    }

    /// Notes that the generation failed at `now`, and that `suspects` are taken for the cause.
    pub(crate) fn disturbed(&mut self, now: Duration, suspects: &[WorkerId]) {
        if self.reforming.is_some() || !self.losses.is_empty() {
            // It has failed already in this moment, whoever fails next.
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

    /// How many newcomers a generation may have that is formed at `now` of `candidates`. Those without whom it is too
    /// small are not counted.
    pub(crate) fn newcomers_at(&self, now: Duration, candidates: &[Candidate]) -> usize {
        let undisturbed = now < self.undisturbed_until && candidates.iter().any(|candidate| candidate.proven);
        if undisturbed { 0 } else { self.trial }
    }

    /// The one of `members` that is suspected instead of `suspects`, if these are all others. It has worked alone and
    /// with nobody else. By now it has failed with two others, who may well work together. That happens to it once.
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
