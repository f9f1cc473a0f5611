//! What a worker holds.

use crate::{Position, Totals};

/// A state that a worker holds, by its description.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// The next step.
    pub position: Position,
    /// Of the epoch that it is in.
    pub totals: Totals,
    /// The generation in which the worker took the state over. What was computed before a rewind is void, and this tells.
    pub lineage: u64,
}
