//! What is known of an attached worker.

use plan::Position;
use std::time::Duration;

/// One attachment of a worker. A worker that comes back is another.
pub type WorkerId = u64;

/// An attached worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its name, unique among the attached.
    pub name: String,
    /// The address under which the others reach it.
    pub host: String,
    /// Whether it has asked to go.
    pub leaving: bool,
    /// Its last reported position.
    pub position: Position,
    /// When it was last heard of.
    pub last_seen: Duration,
}
