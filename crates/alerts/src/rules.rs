//! From when on something is told.

use std::time::Duration;

/// From when on something is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Whether somebody starts workers again that are lost.
    pub started_again: bool,
    /// How long a run may get no further.
    pub stalled_after: Duration,
    /// A worker is slow if it takes so many times as long for a shard as the middle one of the others.
    pub slow_factor: f64,
    /// For so long without a break.
    pub slow_for: Duration,
    /// The free part of a disk below which it is nearly full, from 0 to 1.
    pub disk_free_ratio: f64,
    /// A disk with so many bytes free is not nearly full, whatever its size.
    pub disk_free_enough: u64,
    /// The test accuracy that is waited for, from 0 to 1.
    pub accuracy_above: Option<f64>,
    /// The test accuracy that is the least, from 0 to 1.
    pub accuracy_below: Option<f64>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            started_again: false,
            stalled_after: Duration::from_mins(10),
            slow_factor: 1.5,
            slow_for: Duration::from_secs(30),
            disk_free_ratio: 0.05,
            disk_free_enough: 4 << 30,
            accuracy_above: None,
            accuracy_below: None,
        }
    }
}
