//! What many watchers cost no more than a few: they share what they are told by, how often, and when.

use crate::services::training::is_over;
use proto::v1::Run;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// Those who watch.
#[derive(Debug, Clone)]
pub(super) struct Crowd {
    /// From when on turns are counted.
    began: Instant,
    watchers: Arc<AtomicUsize>,
    end: Arc<OnceLock<watch::Receiver<bool>>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Watcher {
    began: Instant,
    watchers: Arc<AtomicUsize>,
}

impl Crowd {
    /// Nobody yet.
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), watchers: Arc::default(), end: Arc::default() }
    }

    /// One watcher more.
    pub(super) fn join(&self) -> Watcher {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        Watcher { began: self.began, watchers: Arc::clone(&self.watchers) }
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
    /// When the next view comes after one at `now`, to a watcher that wants one each `interval`.
    ///
    /// Many are told in the same moments: training is disturbed once for all of them, and not by each.
    pub(super) fn next(&self, now: Instant, interval: Duration) -> Instant {
        let pace = view::pace(interval, self.watchers.load(Ordering::Relaxed));
        if pace == interval {
            return now + interval;
        }
        let turns = (now - self.began).as_nanos() / pace.as_nanos() + 1;
        self.began + pace.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_watchers_are_told_less_often_and_together() {
        let crowd = Crowd::new();
        let (half, minute) = (Duration::from_millis(500), Duration::from_mins(1));
        let at = |millis| crowd.began + Duration::from_millis(millis);
        let first = crowd.join();
        assert_eq!((first.next(at(130), half), first.next(at(130), minute)), (at(630), at(60_130)));
        let others: Vec<Watcher> = (0..199).map(|_| crowd.join()).collect();
        // Turns of 2 s.
        for watcher in others.iter().chain([&first]) {
            assert_eq!([0, 130, 1999, 2000].map(|now| watcher.next(at(now), half)), [2000, 2000, 2000, 4000].map(at));
        }
        assert_eq!(first.next(at(130), minute), at(60_130));
        drop(others);
        assert_eq!(first.next(at(130), half), at(630));
    }
}
