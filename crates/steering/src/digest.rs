//! Whether all members hold the same state. Every so many steps each reports a digest of what it holds; one that differs is
//! wrong in its memory, for the same bytes were applied to the same bytes.

use crate::{Decision, Outcome, Steering, WorkerId, phase::Phase};
use plan::Position;
use std::{collections::BTreeMap, time::Duration};

/// What the digests of a position say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// All are the same.
    Agreed,
    /// More than half are the same; these are not.
    Outvoted(Vec<WorkerId>),
    /// No digest is that of more than half.
    Undecided,
}

fn judge(digests: &BTreeMap<WorkerId, u64>) -> Verdict {
    let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
    for digest in digests.values() {
        *votes.entry(*digest).or_default() += 1;
    }
    match votes.into_iter().find(|(_, votes)| 2 * votes > digests.len()) {
        Some((_, votes)) if votes == digests.len() => Verdict::Agreed,
        Some((right, _)) => {
            Verdict::Outvoted(digests.iter().filter(|(_, digest)| **digest != right).map(|(id, _)| *id).collect())
        }
        None => Verdict::Undecided,
    }
}

/// The digests of the generation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Digests {
    reported: BTreeMap<Position, BTreeMap<WorkerId, u64>>,
    /// The last position at which all held the same.
    pub agreed: Option<Position>,
    /// Where a state has arrived that is a checkpoint as soon as all agree on it.
    pub candidate: Option<Position>,
}

impl Digests {
    /// Of a new generation. What was agreed on stays so.
    pub fn begin(&mut self) {
        self.reported.clear();
        self.candidate = None;
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
        let digests = self.digests.reported.entry(position).or_default();
        digests.insert(worker, digest);
        if digests.len() < self.generation.members.len() {
            return;
        }
        let digests = digests.clone();
        match judge(&digests) {
            Verdict::Agreed => {
                self.digests.reported.retain(|reported, _| *reported > position);
                self.digests.agreed = self.digests.agreed.max(Some(position));
                self.checkpoint_candidate(decisions);
            }
            Verdict::Outvoted(wrong) => {
                let right = digests.len() - wrong.len();
                for worker in wrong {
                    let reason = format!("its state at {position} differs from that of {right} others");
                    decisions.push(Decision::Drop { worker, reason: reason.clone(), corrupt: true });
                    self.lost(now, worker, &reason, decisions);
                }
            }
            Verdict::Undecided => {
                let names: Vec<String> = digests.keys().map(|worker| self.name(*worker)).collect();
                let before = self.digests.agreed.map_or_else(
                    || "they never agreed in this generation".to_owned(),
                    |agreed| format!("they last agreed at {agreed}"),
                );
                let reason = format!(
                    "the states of {} differ at {position}, and it cannot be told whose is right; {before}. \
                     The newest checkpoint is of a state on which all agreed: the same command goes on from there",
                    names.join(" and ")
                );
                self.end(Outcome::Failed, &reason, decisions);
            }
        }
    }

    /// A state of the middle of an epoch has arrived.
    pub(crate) fn state_in_passing(&mut self, position: Position, decisions: &mut Vec<Decision>) {
        self.digests.candidate = Some(position);
        self.checkpoint_candidate(decisions);
    }

    fn checkpoint_candidate(&mut self, decisions: &mut Vec<Decision>) {
        let Some(position) = self.digests.candidate else { return };
        if self.digests.agreed < Some(position) || matches!(self.phase, Phase::Over(_)) {
            return;
        }
        self.digests.candidate = None;
        decisions.push(self.checkpoint_within(position));
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
