//! What can go wrong.

use std::io;
use thiserror::Error;

/// Memory that cannot be shared.
#[derive(Debug, Error)]
pub enum Error {
    /// The kernel refused.
    #[error("cannot {operation} {bytes} bytes of shared memory: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// How much memory it is about.
        bytes: usize,
        /// The system's words.
        source: io::Error,
    },
    /// What the ticket leads to is something else: the process that gave it is of another machine, or container.
    #[error("the shared memory of process {process} cannot be seen from here: {why}")]
    Elsewhere {
        /// The process that gave the ticket.
        process: u32,
        /// What is there instead.
        why: String,
    },
    /// A part beyond the end was asked for.
    #[error("{what} {index} of {count} in shared memory")]
    Beyond {
        /// The parts that are counted, such as `counter`.
        what: &'static str,
        /// Which one.
        index: usize,
        /// How many there are.
        count: usize,
    },
}

impl Error {
    pub(crate) fn system<E: Into<io::Error>>(operation: &'static str, bytes: usize) -> impl FnOnce(E) -> Self {
        move |source| Self::System { operation, bytes, source: source.into() }
    }
}
