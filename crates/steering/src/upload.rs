//! A state on its way from a worker to the coordinator. It is asked for and waited for. If it does not come, it is
//! asked for elsewhere or later. What breaks a line may pass within seconds. So holders are asked again, after longer
//! and longer pauses, as long as the state is worth waiting for.

use crate::{
    order::{Decision, Order},
    steering::Steering,
    worker::WorkerId,
};
use std::time::Duration;

/// The pause before a state is asked for again. It grows each time.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// How many holders are asked one after the other before there is a pause.
const ROUND: u32 = 8;
/// How long a state that would be lost is asked for at least, from the first time on.
const LAST: Duration = Duration::from_secs(10);

/// An order to send a state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Upload {
    /// The number of the order.
    pub id: u64,
    /// The worker that is to send.
    pub worker: WorkerId,
    /// The worker's name, for messages after it is gone.
    pub name: String,
    /// When the order was given, or a piece of the state last came.
    pub moved: Duration,
    /// Whether the order is still to be given.
    to_be_ordered: bool,
    /// How often workers that are still there were asked for the state, this time included.
    attempts: u32,
    /// When it was asked for first.
    began: Duration,
    /// When it was asked for this time.
    ordered: Duration,
}

impl Upload {
    /// Has it asked for by so much longer.
    pub fn wait_longer(&mut self, time: Duration) {
        self.began += time;
    }

    /// Whether nothing of it has come for `patience`.
    pub fn is_late(&self, now: Duration, patience: Duration) -> bool {
        now.saturating_sub(self.moved) > patience
    }
}

/// How well a worker sends states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// States in a row that did not come.
    pub failures: u32,
    /// How long the last state took.
    pub took: Duration,
}

/// The holder to ask after `failed`, in the order of `holders`. It is the same one if there is no other.
fn next(holders: &[WorkerId], failed: WorkerId) -> Option<WorkerId> {
    let after = holders.iter().position(|holder| *holder == failed).map_or(0, |index| index + 1);
    holders.get(after).or(holders.first()).copied()
}

/// The pause before `holders` are asked again, after `attempts` attempts.
fn pause(attempts: u32, holders: usize) -> Duration {
    let round = (holders as u32).clamp(1, ROUND);
    if !attempts.is_multiple_of(round) {
        return Duration::ZERO;
    }
    FIRST.saturating_mul(1 << (attempts / round).saturating_sub(1).min(16)).min(LONGEST)
}

impl Steering {
    /// How long a state is asked for that would be lost otherwise.
    pub(crate) fn patience_for_the_last(&self) -> Duration {
        LAST.max(self.options.failure_timeout.saturating_mul(6))
    }

    /// The one of `holders` with the best line, as far as is known.
    pub(crate) fn best_sender(&self, holders: &[WorkerId]) -> Option<WorkerId> {
        holders.iter().copied().min_by_key(|id| self.workers.get(id).map(|worker| worker.line))
    }

    /// Orders `worker` to send its state.
    pub(crate) fn ask_for_state(&mut self, now: Duration, worker: WorkerId, decisions: &mut Vec<Decision>) -> Upload {
        let id = self.number();
        decisions.push(Decision::Send { worker, order: Order::Upload { upload: id } });
        let name = self.name(worker);
        Upload { id, worker, name, moved: now, to_be_ordered: false, attempts: 1, began: now, ordered: now }
    }

    /// Asks another of `holders` for what `failed` was to bring, or the same ones after a pause. Returns `None` if all
    /// were asked, for as long as `patience`.
    pub(crate) fn ask_again(
        &mut self,
        now: Duration,
        failed: &Upload,
        holders: &[WorkerId],
        patience: Duration,
    ) -> Option<Upload> {
        // A worker that is gone has not failed to send.
        let attempts = match self.workers.get_mut(&failed.worker) {
            Some(worker) => {
                worker.line.failures += 1;
                failed.attempts
            }
            None => failed.attempts.saturating_sub(1),
        };
        let pause = if attempts == 0 { Duration::ZERO } else { pause(attempts, holders.len()) };
        // All are asked at least once, one alone at least twice, and somebody once more when the time is over.
        let left = patience.saturating_sub(now.saturating_sub(failed.began));
        if !pause.is_zero() && left.is_zero() && attempts > 1 {
            return None;
        }
        let pause = pause.min(left);
        let (worker, ordered) = (next(holders, failed.worker)?, now + pause);
        let (id, attempts, name) = (self.number(), attempts + 1, self.name(worker));
        Some(Upload { id, worker, name, moved: ordered, to_be_ordered: true, attempts, began: failed.began, ordered })
    }

    /// Gives the order, if it is due.
    pub(crate) fn order_upload(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        let Some(upload) = self.upload_mut().filter(|upload| upload.to_be_ordered && upload.ordered <= now) else {
            return;
        };
        upload.to_be_ordered = false;
        let (id, worker) = (upload.id, upload.worker);
        decisions.push(Decision::Send { worker, order: Order::Upload { upload: id } });
    }

    /// Notes that what was asked for has come.
    pub(crate) fn has_sent(&mut self, now: Duration, upload: &Upload) {
        if let Some(worker) = self.workers.get_mut(&upload.worker) {
            worker.line = Line { failures: 0, took: now.saturating_sub(upload.ordered) };
        }
    }

    /// A number that no order or question has had before.
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

    #[test]
    fn all_are_asked_before_there_is_a_pause_and_pauses_grow() {
        let millis = |attempts, holders| pause(attempts, holders).as_millis();
        assert_eq!([1, 2, 3, 4, 5, 6, 7].map(|attempts| millis(attempts, 1)), [100, 200, 400, 800, 1600, 3200, 5000]);
        assert_eq!([1, 2, 3, 4, 5, 6].map(|attempts| millis(attempts, 3)), [0, 0, 100, 0, 0, 200]);
        assert_eq!([7, 8, 9].map(|attempts| millis(attempts, 1000)), [0, 100, 0]);
    }
}
