//! What is recorded of a failure that a run survived.

use serde::{Deserialize, Serialize};

/// A failure and the way back from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// What happened, in words.
    pub kind: String,
    /// From the last sign of life of the worker to the notice of its loss.
    pub detected_ms: u64,
    /// From the notice to the next committed step; absent while there is none.
    pub resumed_ms: Option<u64>,
    /// The generation that went on.
    pub generation: u64,
}
