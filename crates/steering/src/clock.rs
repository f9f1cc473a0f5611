//! The time that counts. A coordinator may be stopped for a while, or its machine asleep. Nobody was there to listen
//! then, so nobody is judged by that time. All that is waited for is measured by this clock, which stood still
//! meanwhile.

use std::time::Duration;

/// Looks at the time in one failure time-out, at least, while the coordinator is there.
const LOOKS: u32 = 10;

/// A clock that runs only while somebody looks at it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    /// The last look, by the clock on the wall.
    looked: Duration,
    /// The time that counted then.
    counted: Duration,
}

impl Clock {
    /// Looks at `wall`, the time since any fixed moment. Returns the time that counts. More than a tenth of `failure` since
    /// the last look is no more than that. Looks that come out of order count as the latest.
    pub fn look(&mut self, wall: Duration, failure: Duration) -> Duration {
        self.counted = self.time(wall, failure);
        self.looked = self.looked.max(wall);
        self.counted
    }

    /// What [`Self::look`] would return.
    pub fn time(&self, wall: Duration, failure: Duration) -> Duration {
        self.counted + wall.saturating_sub(self.looked).min(failure / LOOKS)
    }

    /// The last look, by the clock on the wall.
    pub fn wall(&self) -> Duration {
        self.looked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_runs_while_somebody_looks(looks in proptest::collection::vec(0u64..3000, 0..50), failure in 1000u64..9000) {
            let at = Duration::from_millis;
            let (mut clock, mut wall, mut counts) = (Clock::default(), 0, 0);
            for passed in looks {
                wall += passed;
                counts += passed.min(failure / 10);
                let early = clock.time(at(wall), at(failure));
                prop_assert_eq!(clock.look(at(wall), at(failure)), early);
                prop_assert!(early.abs_diff(at(counts)) < at(50), "{early:?} {counts}");
                // A look that comes late changes nothing.
                prop_assert_eq!(clock.look(at(wall / 2), at(failure)), early);
                prop_assert_eq!(clock.wall(), at(wall));
            }
        }
    }
}
