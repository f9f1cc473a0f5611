//! Whether all members hold the same state.
//!
//! Every so many steps each member reports a digest of its state. The same bytes were applied to the same bytes, so one
//! that differs has wrong memory. Meanwhile the others have added up its gradients, so no state since then is right.
//! All of them are void, and the run goes back to the newest checkpoint. A checkpoint is only made of a state with the
//! digest on which all agreed.

use crate::{
    held::Reached,
    order::{Decision, Outcome},
    phase::Phase,
    steering::Steering,
    worker::WorkerId,
};
use plan::Position;
use std::{collections::BTreeMap, time::Duration};

/// What the digests of a position say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All are the same.
    Agreed,
    /// More than half are the same; these workers differ.
    Outvoted(Vec<WorkerId>),
    /// No digest has more than half of the votes.
    Undecided,
}

/// What the `digests` of one position say. If there are none, all agree.
pub(crate) fn judge(digests: &BTreeMap<WorkerId, u64>) -> Verdict {
    let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
    for digest in digests.values() {
        *votes.entry(*digest).or_default() += 1;
    }
    if digests.is_empty() {
        return Verdict::Agreed;
    }
    match votes.into_iter().find(|(_, votes)| 2 * votes > digests.len()) {
        Some((_, votes)) if votes == digests.len() => Verdict::Agreed,
        Some((right, _)) => {
            Verdict::Outvoted(digests.iter().filter(|(_, digest)| **digest != right).map(|(id, _)| *id).collect())
        }
        None => Verdict::Undecided,
    }
}

/// The most agreements that are remembered: a state may come a long time after its digest.
const REMEMBERED: usize = 256;

/// A state that has come, and is a checkpoint as soon as all agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    upload: u64,
    position: Position,
    digest: u64,
}

/// The digests of one generation. What another one agreed on may be of another course.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digests {
    reported: BTreeMap<Position, BTreeMap<WorkerId, u64>>,
    /// The digests on which all agreed.
    agreed: BTreeMap<Position, u64>,
    candidate: Option<Candidate>,
}

impl Digests {
    /// The digest on which all agreed at `position`.
    pub fn agreed(&self, position: Position) -> Option<u64> {
        self.agreed.get(&position).copied()
    }

    /// Whether `worker` has reported its digest at `position`, where others still have to.
    pub fn has(&self, position: Position, worker: WorkerId) -> bool {
        self.reported.get(&position).is_some_and(|digests| digests.contains_key(&worker))
    }

    fn agree(&mut self, position: Position, digest: u64) {
        self.reported.retain(|reported, _| *reported > position);
        self.agreed.insert(position, digest);
        while self.agreed.len() > REMEMBERED {
            self.agreed.pop_first();
        }
    }
}

impl Steering {
    pub(crate) fn digested(
        &mut self,
        now: Duration,
        worker: WorkerId,
        position: Position,
        digest: u64,
        decisions: &mut Vec<Decision>,
    ) {
        // A digest of a position that the run has not reached would be kept for ever.
        if position.epoch > self.epochs_done() || position.step > self.steps() {
            return;
        }
        let lineage = self.generation.number;
        if let Some(known) = self.workers.get_mut(&worker) {
            // It has taken a state over, or done steps since.
            known.reached = Some(Reached { position, lineage });
        }
        // It has shown that it lives, and what it holds.
        self.dismiss_leaving(decisions);
        let digests = self.generation.digests.reported.entry(position).or_default();
        digests.insert(worker, digest);
        if digests.len() < self.generation.members.len() {
            return;
        }
        let digests = digests.clone();
        if self.compare(now, position, &digests, decisions) {
            self.generation.digests.agree(position, digest);
            if self.doubted.is_some_and(|doubted| doubted < position) {
                self.doubted = None;
            }
            self.checkpoint_candidate(decisions);
            self.finish_epoch(now, decisions);
        }
    }

    /// Whether all `digests`, of states at `position`, are the same. Otherwise the workers that are wrong are given up,
    /// and all states since the newest checkpoint are void. States stay valid if only newcomers are wrong that have
    /// just taken a state over.
    pub(crate) fn compare(
        &mut self,
        now: Duration,
        position: Position,
        digests: &BTreeMap<WorkerId, u64>,
        decisions: &mut Vec<Decision>,
    ) -> bool {
        match self.judge_members(digests) {
            Verdict::Agreed => true,
            Verdict::Outvoted(wrong) => {
                let right = digests.len() - wrong.len();
                let others = if right == 1 { "other".to_owned() } else { format!("{right} others") };
                let reason = format!("its state at {position} differs from that of {others}");
                // What a newcomer has just taken over wrongly is in no sum yet.
                let taken_over = self.generation.from == Some(position);
                if !taken_over || wrong.iter().any(|worker| self.is_proven(*worker)) {
                    self.void(&reason, decisions);
                }
                for worker in wrong {
                    // Memory that was wrong once may be so again, and costs all the steps since the last checkpoint.
                    let name = self.name(worker);
                    self.register.strike(&name, &reason, now);
                    decisions.push(Decision::Drop { worker, reason: reason.clone(), corrupt: true });
                    self.lost(now, worker, &reason, decisions);
                }
                self.reform("a state was wrong");
                false
            }
            Verdict::Undecided => {
                let names: Vec<String> = digests.keys().map(|worker| self.name(*worker)).collect();
                let names = names.join(" and ");
                let reason =
                    format!("the states of {names} differ at {position}, and it cannot be told whose is right");
                self.void(&reason, decisions);
                if self.doubted.replace(position).is_some() {
                    let from = match &self.checkpoint {
                        Some((name, _, _)) => format!("from checkpoint {name}, on which all agreed"),
                        None => "from the beginning, as nothing was saved yet".to_owned(),
                    };
                    let reason = format!(
                        "{reason}; it is the second time without an agreement in between: one of these machines computes \
                         wrongly. The same command goes on {from}"
                    );
                    self.end(now, Outcome::Failed, &reason, decisions);
                } else {
                    self.failed_at.get_or_insert(self.clock.wall());
                    self.recovery(reason.clone(), 0);
                    self.reform(&reason);
                }
                false
            }
        }
    }

    /// Like [`judge`]. Where that cannot tell, members that have committed a step are right, and newcomers wrong.
    fn judge_members(&self, digests: &BTreeMap<WorkerId, u64>) -> Verdict {
        let verdict = judge(digests);
        if verdict != Verdict::Undecided {
            return verdict;
        }
        let proven =
            || digests.iter().filter(|(worker, _)| self.is_proven(**worker)).map(|(id, digest)| (*id, *digest));
        let Some((_, right)) = proven().next() else {
            return Verdict::Undecided;
        };
        if judge(&proven().collect()) != Verdict::Agreed {
            return Verdict::Undecided;
        }
        Verdict::Outvoted(digests.iter().filter(|(_, digest)| **digest != right).map(|(id, _)| *id).collect())
    }

    /// Declares all states void that anyone holds now.
    pub(crate) fn void(&mut self, reason: &str, decisions: &mut Vec<Decision>) {
        self.void = self.generation.number.max(self.last_known);
        self.furthest = Position::default();
        let reason = format!("{reason}: the run goes back to the newest checkpoint");
        decisions.push(Decision::Void { generation: self.void, reason });
    }

    /// A state from the middle of an epoch has come.
    pub(crate) fn state_in_passing(
        &mut self,
        upload: u64,
        (position, digest): (Position, u64),
        decisions: &mut Vec<Decision>,
    ) {
        // One that was asked for earlier may come late, when nobody needs it any more.
        if self.generation.in_passing == Some(upload) && position.step < self.steps() {
            self.generation.digests.candidate = Some(Candidate { upload, position, digest });
            self.checkpoint_candidate(decisions);
        }
    }

    fn checkpoint_candidate(&mut self, decisions: &mut Vec<Decision>) {
        let Some(Candidate { upload, position, digest }) = self.generation.digests.candidate else { return };
        let Some(agreed) = self.generation.digests.agreed(position) else { return };
        self.generation.digests.candidate = None;
        if agreed == digest {
            self.pending.insert(position);
            let schedule = self.schedule().clone();
            decisions.push(Decision::Checkpoint { upload, held: position, position, schedule, evaluation: None });
        } else {
            decisions.push(Decision::Note(format!(
                "the state of {position} that came is not the one on which all agreed: no checkpoint of it"
            )));
        }
    }

    /// Whether a state that has come for `upload` may still be made a checkpoint.
    #[must_use]
    pub fn wants(&self, upload: u64, position: Position) -> bool {
        let candidate = self.generation.digests.candidate.is_some_and(|c| (c.upload, c.position) == (upload, position));
        candidate || matches!(&self.phase, Phase::Evaluating { state, .. } if state.is_here(upload))
    }

    /// The digest on which all agreed at `position`, in this generation.
    pub(crate) fn agreed(&self, position: Position) -> Option<u64> {
        self.generation.digests.agreed(position)
    }

    /// All agree on `digest` at `position`, as they said when the generation was formed.
    pub(crate) fn agree(&mut self, position: Position, digest: u64) {
        self.generation.digests.agreed.insert(position, digest);
    }

    /// The number of the order by which a member sends states while it trains. It is `None` if checkpoints are made
    /// only at an epoch's end.
    pub(crate) fn order_in_passing(&mut self) -> Option<u64> {
        self.options.checkpoint_every.map(|_| self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn judged(digests: &[u64]) -> Verdict {
        judge(&(1..).zip(digests.iter().copied()).collect())
    }

    #[test]
    fn the_majority_is_right() {
        assert_eq!(judged(&[7]), Verdict::Agreed);
        assert_eq!(judged(&[7, 7, 7]), Verdict::Agreed);
        assert_eq!(judged(&[7, 8, 7]), Verdict::Outvoted(vec![2]));
        assert_eq!(judged(&[6, 7, 7, 8, 7]), Verdict::Outvoted(vec![1, 4]));
        assert_eq!(judged(&[7, 8]), Verdict::Undecided);
        assert_eq!(judged(&[7, 8, 7, 8]), Verdict::Undecided);
    }

    proptest! {
        #[test]
        fn those_who_are_left_agree(digests in proptest::collection::vec(0u64..3, 1..9)) {
            let reported: BTreeMap<WorkerId, u64> = (1..).zip(digests).collect();
            if let Verdict::Outvoted(wrong) = judge(&reported) {
                let left: BTreeMap<_, _> = reported.into_iter().filter(|(id, _)| !wrong.contains(id)).collect();
                prop_assert!(left.len() > wrong.len());
                prop_assert_eq!(judge(&left), Verdict::Agreed);
            }
        }
    }
}
