//! How often those who look on are told.

use std::time::Duration;

/// An onlooker's part of the time in which all are told once. So a hundred tellings a second are made, for however many.
const TURN: Duration = Duration::from_millis(10);
/// Between two tellings at the most, because of others.
const LONGEST: Duration = Duration::from_secs(5);

/// The time between two tellings of somebody who wants one each `wanted`, beside `onlookers` in all.
///
/// Each telling takes a little of the machine that trains. So what onlookers take in all is bounded, and not what one
/// of them takes.
#[must_use]
pub fn pace(wanted: Duration, onlookers: usize) -> Duration {
    let turns = TURN.saturating_mul(u32::try_from(onlookers).unwrap_or(u32::MAX));
    wanted.max(turns.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_told_less_often() {
        let quarter = Duration::from_millis(250);
        let paces = [0, 1, 25, 100, 200, 100_000].map(|onlookers| pace(quarter, onlookers).as_millis());
        assert_eq!(paces, [250, 250, 250, 1000, 2000, 5000]);
        assert_eq!(pace(Duration::ZERO, 1), TURN);
        assert_eq!(pace(Duration::from_hours(1), 1), Duration::from_hours(1));
    }
}
