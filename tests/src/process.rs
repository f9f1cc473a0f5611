//! Processes by their numbers.

use std::fs;

/// Whether the process `id` runs: is there and is no zombie.
#[must_use]
pub fn runs(id: u32) -> bool {
    let state = || {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().next().map(str::to_owned)
    };
    state().is_some_and(|state| state != "Z")
}
