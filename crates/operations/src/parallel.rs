//! Jobs on as many threads as there are jobs.

use std::{panic, thread};

/// The results of `jobs`, in their order. The first is done here, each other on a thread of its own.
pub(crate) fn parallel<R: Send, J: FnOnce() -> R + Send>(mut jobs: impl Iterator<Item = J>) -> Vec<R> {
    let Some(first) = jobs.next() else { return Vec::new() };
    let rest: Vec<J> = jobs.collect();
    if rest.is_empty() {
        return vec![first()];
    }
    thread::scope(|scope| {
        let handles: Vec<_> = rest.into_iter().map(|job| scope.spawn(job)).collect();
        let mut results = vec![first()];
        for handle in handles {
            match handle.join() {
                Ok(result) => results.push(result),
                Err(panic) => panic::resume_unwind(panic),
            }
        }
        results
    })
}
