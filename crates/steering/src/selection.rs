//! Who is in the next generation, and who is suspected when one does not form.
//!
//! A worker is *proven* once it has committed a step as a member. Where a generation fails and nobody is known to be the
//! cause, newcomers are suspected first, and the proven go on without them. Newcomers are then tried a few at a time: half
//! as many after each failure, twice as many after each success. So one bad worker among many is found in a few attempts.

use crate::worker::WorkerId;
use std::{collections::BTreeSet, ops::Range};

/// A worker that could be a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub id: WorkerId,
    /// Whether it has committed a step as a member.
    pub proven: bool,
    /// Its failures in a row.
    pub strikes: u32,
}

/// The members of the next generation out of `candidates`, in ascending order. There are to be `size.start` members at
/// least and `size.end` at most. `trial` is how many newcomers are tried at once. Too few candidates give too few
/// members.
pub(crate) fn select(candidates: &[Candidate], size: Range<usize>, trial: usize) -> Vec<WorkerId> {
    let (mut proven, mut new): (Vec<&Candidate>, Vec<&Candidate>) =
        candidates.iter().partition(|candidate| candidate.proven);
    proven.sort_by_key(|candidate| candidate.id);
    new.sort_by_key(|candidate| (candidate.strikes, candidate.id));
    // A generation that is too small is of no use, whoever is suspected.
    let tried = trial.max(size.start.saturating_sub(proven.len()));
    let chosen = proven.into_iter().chain(new.into_iter().take(tried)).take(size.end);
    let mut members: Vec<WorkerId> = chosen.map(|candidate| candidate.id).collect();
    members.sort_unstable();
    members
}

/// Whom to suspect of the `members` of a generation that has failed. Those that did not come to it are `late`; all of
/// them, if that is not known.
pub(crate) fn suspects(members: &[Candidate], late: &BTreeSet<WorkerId>) -> Vec<WorkerId> {
    let late: Vec<&Candidate> = members.iter().filter(|member| late.contains(&member.id)).collect();
    // Members that have worked together would have come without the newcomers, whatever these say of themselves.
    let all = late.iter().any(|member| member.proven);
    let new: Vec<WorkerId> =
        members.iter().filter(|m| !m.proven && (all || late.iter().any(|l| l.id == m.id))).map(|m| m.id).collect();
    if !new.is_empty() {
        return new;
    }
    if late.len() < members.len() {
        return late.iter().map(|member| member.id).collect();
    }
    // All have worked together and none can now: a link between two of them is cut. Half of them may be on one side of it.
    let mut late = late;
    late.sort_by_key(|member| (member.strikes, member.id));
    let kept = late.len().div_ceil(2);
    late[kept..].iter().map(|member| member.id).collect()
}

/// How many newcomers are tried at once after so many were suspected.
pub(crate) fn after_failure(suspects: usize) -> usize {
    (suspects / 2).max(1)
}

/// How many newcomers are tried at once after a generation of which `trial` could be newcomers has committed a step.
pub(crate) fn after_success(trial: usize) -> usize {
    trial.saturating_mul(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(id: WorkerId, proven: bool, strikes: u32) -> Candidate {
        Candidate { id, proven, strikes }
    }

    #[test]
    fn the_proven_come_first_and_newcomers_a_few_at_a_time() {
        let all = [candidate(1, false, 0), candidate(2, true, 0), candidate(3, false, 2), candidate(4, true, 0)];
        assert_eq!(select(&all, 1..4, usize::MAX), [1, 2, 3, 4]);
        assert_eq!(select(&all, 1..3, usize::MAX), [1, 2, 4]);
        assert_eq!(select(&all, 1..4, 1), [1, 2, 4]);
        assert_eq!(select(&all, 4..4, 1), [1, 2, 3, 4], "fewer would not do");
    }

    #[test]
    fn newcomers_are_suspected_first() {
        let all = [candidate(1, true, 0), candidate(2, false, 0), candidate(3, true, 1)];
        let set = |ids: &[WorkerId]| ids.iter().copied().collect();
        assert_eq!(suspects(&all, &set(&[1, 2, 3])), [2]);
        assert_eq!(suspects(&all, &set(&[3])), [2], "it has come before without the newcomer");
        let proven = [candidate(1, true, 1), candidate(3, true, 0)];
        assert_eq!(suspects(&proven, &set(&[3])), [3], "it alone did not come");
        assert_eq!(suspects(&proven, &set(&[1, 3])), [1], "a link is cut, and it has failed before");
    }

    proptest! {
        /// However many are bad, the good ones are members after some attempts, and stay.
        #[test]
        fn the_good_ones_work_in_the_end(bad in proptest::collection::vec(any::<bool>(), 1..60)) {
            let mut all: Vec<Candidate> = (0..).zip(&bad).map(|(id, _)| candidate(id, false, 0)).collect();
            let good: Vec<WorkerId> = (0..).zip(&bad).filter(|(_, bad)| !**bad).map(|(id, _)| id).collect();
            let mut trial = usize::MAX;
            let mut attempts = 0;
            loop {
                let members = select(&all, 1..usize::MAX, trial);
                let fails = members.len() > 1 && members.iter().any(|id| bad[*id as usize]);
                // One alone fails for a reason of its own.
                let alone = members.len() == 1 && bad[members[0] as usize];
                attempts += 1;
                prop_assert!(attempts < 6 * all.len() + 20, "{attempts} attempts: {members:?} of {good:?}");
                if good.is_empty() || good.iter().all(|id| members.contains(id)) && !fails {
                    break;
                }
                let of_generation: Vec<Candidate> = all.iter().filter(|c| members.contains(&c.id)).copied().collect();
                if fails || alone {
                    let suspected = suspects(&of_generation, &members.iter().copied().collect());
                    prop_assert!(!suspected.is_empty());
                    trial = after_failure(suspected.len());
                    all.iter_mut().filter(|c| suspected.contains(&c.id)).for_each(|c| c.strikes += 1);
                } else {
                    trial = after_success(trial);
                    all.iter_mut().filter(|c| members.contains(&c.id)).for_each(|c| c.proven = true);
                }
            }
        }
    }
}
