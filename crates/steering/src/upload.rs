//! A state on its way from a worker to the coordinator: asked for, waited for, and asked for elsewhere or later if it does not
//! come. What breaks a line may pass within seconds. So those who were asked already are asked again, after longer and longer
//! pauses, for as long as the state is worth waiting for.

use crate::{Decision, Order, Steering, WorkerId};
use std::time::Duration;

/// Before a state is asked for again; longer each time.
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// Holders that are asked one after the other before there is a pause.
const ROUND: u32 = 8;
/// How long a state that would be lost is asked for at least, from the first time on.
const LAST: Duration = Duration::from_secs(10);

/// An order to send a state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Upload {
    /// Its number.
    pub id: u64,
    /// To whom.
    pub worker: WorkerId,
    /// Its name, which is told after it is gone as well.
    pub name: String,
    /// When it is given, or a piece of the state came last.
    pub moved: Duration,
    /// Whether it is still to be given.
    to_be_ordered: bool,
    /// How often those who are there were asked for the state, this time included.
    attempts: u32,
    /// When it was asked for first.
    began: Duration,
    /// When it was asked for this time.
    ordered: Duration,
}

impl Upload {
    /// It is asked for by so much longer.
    pub fn wait_longer(&mut self, time: Duration) {
        self.began += time;
    }

    /// Whether nothing of it has come for `patience`.
    pub fn is_late(&self, now: Duration, patience: Duration) -> bool {
        now.saturating_sub(self.moved) > patience
    }
}

/// How a worker sends states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// States in a row that did not come.
    pub failures: u32,
    /// How long the last one took.
    pub took: Duration,
}

/// The one to ask after `failed`, among `holders` in their order; the same one if there is no other.
fn next(holders: &[WorkerId], failed: WorkerId) -> Option<WorkerId> {
    let after = holders.iter().position(|holder| *holder == failed).map_or(0, |index| index + 1);
    holders.get(after).or(holders.first()).copied()
}

/// The pause before `holders` are asked once more that were asked `attempts` times already.
fn pause(attempts: u32, holders: usize) -> Duration {
    let round = (holders as u32).clamp(1, ROUND);
    if !attempts.is_multiple_of(round) {
        return Duration::ZERO;
    }
    FIRST.saturating_mul(1 << (attempts / round).saturating_sub(1).min(16)).min(LONGEST)
}

impl Steering {
    /// How long a state is asked for that is lost otherwise.
    pub(crate) fn patience_for_the_last(&self) -> Duration {
        LAST.max(self.options.failure_timeout.saturating_mul(6))
    }

    /// Of `holders`, the one whose line is best, as far as is known.
    pub(crate) fn best_sender(&self, holders: &[WorkerId]) -> Option<WorkerId> {
        holders.iter().copied().min_by_key(|id| self.workers.get(id).map(|worker| worker.line))
    }

    /// Has `worker` send its state.
    pub(crate) fn ask_for_state(&mut self, now: Duration, worker: WorkerId, decisions: &mut Vec<Decision>) -> Upload {
        let id = self.number();
        decisions.push(Decision::Send { worker, order: Order::Upload { upload: id } });
        let name = self.name(worker);
        Upload { id, worker, name, moved: now, to_be_ordered: false, attempts: 1, began: now, ordered: now }
    }

    /// Asks another of `holders`, or in a while the same ones, for what `failed` was to bring. `None` if all were asked, for as
    /// long as `patience`.
    pub(crate) fn ask_again(
        &mut self,
        now: Duration,
        failed: &Upload,
        holders: &[WorkerId],
        patience: Duration,
    ) -> Option<Upload> {
        // Who is gone has not failed to send.
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

    /// Gives the order that is due.
    pub(crate) fn order_upload(&mut self, now: Duration, decisions: &mut Vec<Decision>) {
        let Some(upload) = self.upload_mut().filter(|upload| upload.to_be_ordered && upload.ordered <= now) else {
            return;
        };
        upload.to_be_ordered = false;
        let (id, worker) = (upload.id, upload.worker);
        decisions.push(Decision::Send { worker, order: Order::Upload { upload: id } });
    }

    /// Takes notice that what was asked for has come.
    pub(crate) fn has_sent(&mut self, now: Duration, upload: &Upload) {
        if let Some(worker) = self.workers.get_mut(&upload.worker) {
            worker.line = Line { failures: 0, took: now.saturating_sub(upload.ordered) };
        }
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

    #[test]
    fn all_are_asked_before_there_is_a_pause_and_pauses_grow() {
        let millis = |attempts, holders| pause(attempts, holders).as_millis();
        assert_eq!([1, 2, 3, 4, 5, 6, 7].map(|attempts| millis(attempts, 1)), [100, 200, 400, 800, 1600, 3200, 5000]);
        assert_eq!([1, 2, 3, 4, 5, 6].map(|attempts| millis(attempts, 3)), [0, 0, 100, 0, 0, 200]);
        assert_eq!([7, 8, 9].map(|attempts| millis(attempts, 1000)), [0, 100, 0]);
    }
}
