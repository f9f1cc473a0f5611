//! Counts what is done inside long operations, so that a slow one is told from one that is stuck.

use std::sync::atomic::{AtomicU64, Ordering};

/// Of the whole process.
static DONE: AtomicU64 = AtomicU64::new(0);

/// A piece of an operation is done: a block of tiles, a product of matrices.
pub(crate) fn beat() {
    DONE.fetch_add(1, Ordering::Relaxed);
}

/// Pieces of operations that this process has done.
#[must_use]
pub fn progress() -> u64 {
    DONE.load(Ordering::Relaxed)
}
