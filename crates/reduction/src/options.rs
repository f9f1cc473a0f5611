//! What is reduced, and how.

use plan::{Reduction, Wire};

/// What decides how vectors are reduced, the same on every worker.
#[derive(Debug, Clone, Copy)]
pub struct ReducerOptions {
    /// In the fixed tree, or as the backend likes.
    pub reduction: Reduction,
    /// The format of numbers on the wire.
    pub wire: Wire,
    /// Logical shards of a step.
    pub shards: u32,
    /// Elements of the vector that are gradients; they come first.
    pub gradients: usize,
    /// Elements of the vector in all.
    pub len: usize,
    /// Where this worker is, if it is willing to share memory. Workers at the same place may share it.
    pub place: Option<u64>,
}
