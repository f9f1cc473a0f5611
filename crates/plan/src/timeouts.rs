//! How long things are waited for. All of it follows from the failure time-out.

use std::{fmt, time::Duration};
use thiserror::Error;

/// The shortest failure time-out: below it a busy machine looks dead.
const SHORTEST: Duration = Duration::from_millis(500);
/// The longest: a person looks after what takes longer.
const LONGEST: Duration = Duration::from_hours(1);

/// No single piece of a worker's work takes longer than this.
pub const LONGEST_PATIENCE: Duration = Duration::from_mins(10);

/// A failure time-out that is too short or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("--failure-timeout {} is impossible: it has to be from {SHORTEST:?} to {LONGEST:?}", shown(*.0))]
pub struct BadTimeout(pub Duration);

fn shown(time: Duration) -> String {
    if time.is_zero() { "0s".to_owned() } else { format!("{time:?}") }
}

/// How long things are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// A worker that is silent, or does nothing although it waits for nobody, is given up after this.
    pub failure: Duration,
    /// Between two signs of life of a worker. Many fit in the failure time-out, so that a lost one costs nothing.
    pub heartbeat: Duration,
    /// Between two looks of the coordinator at the time. A failure may be noticed late by as much.
    pub tick: Duration,
    /// For the members of a generation to build their process group. The coordinator waits as long.
    pub connect: Duration,
    /// The longest that an engine may do nothing, however long it says that a single piece of its work takes.
    pub patience: Duration,
    /// For a collective among workers. It is well above all that a worker is waited for. So the coordinator, which sees
    /// all workers, names the cause before those that wait report a failure.
    pub collective: Duration,
    /// For a piece of a state that is on its way.
    pub transfer: Duration,
    /// For an answer to a request, and for a worker's hello.
    pub request: Duration,
    /// Between two checks whether the other end of a silent connection is there, and for the answer.
    pub keepalive: Duration,
    /// For the engine of a worker that was given up to show that it moves. If it does, the worker attaches again.
    pub doubt: Duration,
    /// For local workers to end by themselves when they are told to.
    pub farewell: Duration,
}

impl Default for Timeouts {
    /// The time-outs that follow from a failure time-out of 10 s.
    fn default() -> Self {
        Self::of(Duration::from_secs(10))
    }
}

impl Timeouts {
    /// The time-outs that follow from the failure time-out `failure`.
    ///
    /// # Errors
    /// If it is below half a second or above an hour.
    pub fn new(failure: Duration) -> Result<Self, BadTimeout> {
        if (SHORTEST..=LONGEST).contains(&failure) {
            return Ok(Self::of(failure));
        }
        Err(BadTimeout(failure))
    }

    fn of(failure: Duration) -> Self {
        let between = |part: u32, least: u64, most: u64| {
            (failure / part).clamp(Duration::from_millis(least), Duration::from_millis(most))
        };
        Self {
            failure,
            heartbeat: between(40, 25, 250),
            tick: between(100, 10, 100),
            connect: failure,
            patience: failure.max(LONGEST_PATIENCE),
            collective: 3 * failure.max(LONGEST_PATIENCE),
            transfer: 3 * failure,
            request: between(2, 1000, 5000),
            keepalive: between(2, 250, 5000),
            doubt: between(10, 100, 1000),
            farewell: between(2, 2000, 5000),
        }
    }
}

impl fmt::Display for Timeouts {
    /// A line each: its name, its value, and what waits for it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("failure", self.failure, "until a worker that is silent, or stuck, is given up (--failure-timeout)"),
            ("heartbeat", self.heartbeat, "between two signs of life of a worker"),
            ("tick", self.tick, "between two looks of the coordinator at the time"),
            ("connect", self.connect, "for the members of a generation to build their process group"),
            ("patience", self.patience, "the longest that a worker may do nothing, however slow it says it is"),
            ("collective", self.collective, "for a collective among workers, if nobody is found to blame before"),
            ("transfer", self.transfer, "for a piece of a state that is on its way"),
            ("request", self.request, "for an answer to a request, and for a worker's first words"),
            (
                "keepalive",
                self.keepalive,
                "between two questions whether a silent connection lives, and for the answer",
            ),
            ("doubt", self.doubt, "for a worker that was given up to show that it moves, and to attach again"),
            ("farewell", self.farewell, "for local workers to end by themselves when they are told to"),
        ];
        for (name, value, meaning) in lines {
            writeln!(formatter, "{name:<10} {:>8}  {meaning}", format!("{value:?}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_no_run_can_have_is_refused() {
        for failure in [Duration::ZERO, Duration::from_millis(499), Duration::from_secs(3601)] {
            let error = Timeouts::new(failure).unwrap_err().to_string();
            assert!(error.contains("failure-timeout") && error.contains("500ms"), "{error}");
        }
    }

    #[test]
    fn every_one_is_explained() {
        let text = Timeouts::default().to_string();
        assert_eq!(text.lines().count(), 11, "{text}");
        assert!(text.contains("heartbeat     250ms"), "{text}");
    }

    proptest! {
        #[test]
        fn a_failure_is_told_from_a_lost_word(millis in 500u64..3_600_000) {
            let timeouts = Timeouts::new(Duration::from_millis(millis)).unwrap();
            prop_assert!(timeouts.heartbeat * 10 <= timeouts.failure);
            prop_assert!(timeouts.tick * 10 <= timeouts.failure);
            prop_assert!(timeouts.patience >= timeouts.failure);
            prop_assert!(timeouts.collective > timeouts.patience + timeouts.heartbeat + timeouts.tick);
            prop_assert!(timeouts.transfer > timeouts.failure + timeouts.heartbeat + timeouts.tick);
            prop_assert!(timeouts.doubt * 2 <= timeouts.failure);
        }
    }
}
