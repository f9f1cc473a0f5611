//! A state on its way from a worker to the coordinator: asked for, waited for, and asked for elsewhere if it does not come.

use crate::{Decision, Order, Steering, WorkerId};
use std::time::Duration;

/// How often a state is asked for at most.
const ATTEMPTS: u32 = 6;

/// An order to send a state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Upload {
    /// Its number.
    pub id: u64,
    /// To whom.
    pub worker: WorkerId,
    /// When it was given, or a piece of the state came last.
    pub moved: Duration,
    /// How often the state was asked for, this time included.
    attempts: u32,
}

impl Upload {
    /// Whether nothing of it has come for `patience`.
    pub fn is_late(&self, now: Duration, patience: Duration) -> bool {
        now.saturating_sub(self.moved) > patience
    }
}

/// The one to ask after `failed`, among `holders` in their order; the same one if there is no other.
fn next(holders: &[WorkerId], failed: WorkerId) -> Option<WorkerId> {
    let after = holders.iter().position(|holder| *holder == failed).map_or(0, |index| index + 1);
    holders.get(after).or(holders.first()).copied()
}

impl Steering {
    /// Has `worker` send its state.
    pub(crate) fn ask_for_state(&mut self, now: Duration, worker: WorkerId, decisions: &mut Vec<Decision>) -> Upload {
        let id = self.number();
        decisions.push(Decision::Send { worker, order: Order::Upload { upload: id } });
        Upload { id, worker, moved: now, attempts: 1 }
    }

    /// Asks another of `holders` for what `failed` was to bring. `None` if it was asked for often enough.
    pub(crate) fn ask_again(
        &mut self,
        now: Duration,
        failed: &Upload,
        holders: &[WorkerId],
        decisions: &mut Vec<Decision>,
    ) -> Option<Upload> {
        if failed.attempts >= ATTEMPTS {
            return None;
        }
        let worker = next(holders, failed.worker)?;
        let again = self.ask_for_state(now, worker, decisions);
        // Who is gone has not failed to send.
        let failures = if self.workers.contains_key(&failed.worker) { failed.attempts } else { 0 };
        Some(Upload { attempts: failures + 1, ..again })
    }

    /// A number that no order or question had before.
    pub(crate) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_one_is_asked_if_there_is_one() {
        assert_eq!(next(&[3, 5, 9], 5), Some(9));
        assert_eq!(next(&[3, 5, 9], 9), Some(3));
        assert_eq!(next(&[3, 9], 5), Some(3), "it is gone");
        assert_eq!(next(&[3], 3), Some(3));
        assert_eq!(next(&[], 3), None);
    }
}
