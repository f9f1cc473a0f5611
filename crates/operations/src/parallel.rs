//! Jobs on as many threads as there are jobs, and what each of them takes.

use std::{ops::Range, panic, thread};

/// Elements of a pass over memory below which a further thread costs more than it brings.
pub(crate) const WORTH_A_THREAD: usize = 1 << 16;

/// As many threads as libtorch may use, but none with less than `worth` of `work`.
pub(crate) fn threads(work: usize, worth: usize) -> usize {
    (tch::get_num_threads().max(1) as usize).min((work / worth).max(1))
}

/// `0..len` in contiguous pieces of nearly one size. Where their number decides the order of additions, it must not depend
/// on how busy the machine is.
pub(crate) fn pieces(len: usize, pieces: usize) -> impl Iterator<Item = Range<usize>> {
    (0..pieces).map(move |piece| len * piece / pieces..len * (piece + 1) / pieces)
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn results_come_in_the_order_of_jobs() {
        assert_eq!(parallel((0..5).map(|job| move || job * job)), [0, 1, 4, 9, 16]);
        assert_eq!(parallel(std::iter::empty::<fn()>()), []);
    }

    proptest! {
        #[test]
        fn pieces_are_all_of_it_once(len in 0usize..1000, count in 1usize..9) {
            let all: Vec<usize> = pieces(len, count).flatten().collect();
            prop_assert_eq!(all, (0..len).collect::<Vec<_>>());
        }
    }
}
