//! What many watchers cost no more than a few: they share what they are told by, and how often.

use crate::services::training::is_over;
use proto::v1::Run;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// A watcher's part of the time in which all are told once. A hundred views a second are made, for however many.
const TURN: Duration = Duration::from_millis(10);
/// Between two views at the most, because of others.
const LONGEST_TURN: Duration = Duration::from_secs(5);

/// Those who watch.
#[derive(Debug, Clone, Default)]
pub(super) struct Crowd {
    watchers: Arc<AtomicU32>,
    end: Arc<OnceLock<watch::Receiver<bool>>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Watcher(Arc<AtomicU32>);

impl Crowd {
    /// One watcher more.
    pub(super) fn join(&self) -> Watcher {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watcher(Arc::clone(&self.watchers))
    }

    /// Becomes true when the run is over, or nobody steers it any more. One task looks at each view for all watchers.
    pub(super) fn end(&self, view: &watch::Receiver<Run>) -> watch::Receiver<bool> {
        let told = self.end.get_or_init(|| {
            let (told, end) = watch::channel(false);
            let mut view = view.clone();
            tokio::spawn(async move {
                // Without a helm nothing changes any more.
                let _ = view.wait_for(is_over).await;
                told.send_replace(true);
            });
            end
        });
        told.clone()
    }
}

impl Watcher {
    /// Between two views of this watcher, which wants one each `interval`.
    pub(super) fn pause(&self, interval: Duration) -> Duration {
        let turns = TURN.saturating_mul(self.0.load(Ordering::Relaxed));
        interval.max(turns.min(LONGEST_TURN))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_watchers_are_told_less_often() {
        let crowd = Crowd::default();
        let half = Duration::from_millis(500);
        let first = crowd.join();
        assert_eq!((first.pause(Duration::ZERO), first.pause(half)), (TURN, half));
        let others: Vec<Watcher> = (0..199).map(|_| crowd.join()).collect();
        assert_eq!((first.pause(half), first.pause(LONGEST_TURN)), (Duration::from_secs(2), LONGEST_TURN));
        drop(others);
        assert_eq!(first.pause(half), half);
        let _all: Vec<Watcher> = (0..100_000).map(|_| crowd.join()).collect();
        assert_eq!(first.pause(half), LONGEST_TURN);
    }
}
