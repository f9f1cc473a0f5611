//! What a run comes to when nothing disturbs it, trained once for all tests of a program.

use crate::{Coordinator, Ended, TestRun, scratch};
use std::{collections::BTreeMap, sync::Mutex};

/// By their flags. A test that waits for another's run holds the lock meanwhile.
static RUNS: Mutex<BTreeMap<Vec<String>, &'static Ended>> = Mutex::new(BTreeMap::new());

/// The end of a run with these flags and two local workers. The first test that asks trains it.
///
/// # Panics
/// If it does not end well.
#[must_use]
pub fn undisturbed(run: &TestRun) -> &'static Ended {
    let key = run.iter().map(|flag| (*flag).to_owned()).collect();
    // What a test that failed here has left is nothing.
    let mut runs = RUNS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    runs.entry(key).or_insert_with(|| {
        let directory = scratch();
        let ended = Coordinator::run(&directory.path().join("undisturbed"), 2, run).well();
        // It ends with the program.
        Box::leak(Box::new(ended.remembered()))
    })
}
