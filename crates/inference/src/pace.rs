//! How fast the model is, or decoding, and what follows from it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What a piece of work is to take: a small request waits behind one of a large request for that long.
const PIECE: Duration = Duration::from_millis(20);
/// Fewer images at a time are slow: weights are read from memory for each piece.
const FEWEST: u64 = 4;
/// More images at a time are not faster.
const MOST: u64 = 32;
/// How much of the measured time a new measurement is.
const NEW: u64 = 4;
/// The shortest and the longest time after which it is worth to try again.
const RETRY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(30)];

/// How long an image takes, in nanoseconds; 0 before the first. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace(Arc<AtomicU64>);

impl Pace {
    /// That `images` took `time` together.
    pub fn measured(&self, images: usize, time: Duration) {
        let new = time.as_nanos() as u64 / (images as u64).max(1);
        let old = self.0.load(Ordering::Relaxed);
        let mixed = if old == 0 { new } else { (old * (NEW - 1) + new) / NEW };
        self.0.store(mixed.max(1), Ordering::Relaxed);
    }

    /// Images of a piece of work.
    pub fn piece(&self) -> usize {
        match self.0.load(Ordering::Relaxed) {
            0 => FEWEST as usize,
            each => (PIECE.as_nanos() as u64 / each).clamp(FEWEST, MOST) as usize,
        }
    }

    /// When it is worth to try again, after `images` are done.
    pub fn retry(&self, images: usize) -> Duration {
        let each = self.0.load(Ordering::Relaxed);
        Duration::from_nanos(each.saturating_mul(images as u64)).clamp(RETRY[0], RETRY[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_take_about_as_long_whatever_the_model() {
        let piece = |each: u64| {
            let pace = Pace::default();
            pace.measured(10, 10 * Duration::from_micros(each));
            pace.piece()
        };
        assert_eq!([100, 1000, 2000, 100_000].map(piece), [32, 20, 10, 4]);
        assert_eq!(Pace::default().piece(), 4);
    }

    #[test]
    fn the_hint_is_when_they_are_done() {
        let pace = Pace::default();
        assert_eq!(pace.retry(1000), RETRY[0]);
        pace.measured(1, Duration::from_millis(10));
        assert_eq!(pace.retry(500), Duration::from_secs(5));
        assert_eq!(pace.retry(1_000_000), RETRY[1]);
    }
}
