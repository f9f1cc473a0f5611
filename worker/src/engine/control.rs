//! What has to reach the engine while it is busy.

use plan::Position;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Set by the session, looked at by the engine between operations and while it waits.
#[derive(Debug, Default)]
pub struct Control {
    /// Generations up to this one are over.
    aborted: AtomicU64,
    /// The generation and epoch in which training is to stop after a step.
    halt: Mutex<Option<(u64, u32)>>,
    /// The position of the state that the engine holds, for the next hello.
    held: Mutex<Option<Position>>,
}

impl Control {
    /// Ends all generations up to `generation`.
    pub fn abort(&self, generation: u64) {
        self.aborted.fetch_max(generation, Ordering::AcqRel);
    }

    /// Whether `generation` is over.
    #[must_use]
    pub fn is_aborted(&self, generation: u64) -> bool {
        self.aborted.load(Ordering::Acquire) >= generation
    }

    /// Asks for a stop after a step of `epoch` in `generation`.
    pub fn halt(&self, generation: u64, epoch: u32) {
        *self.halt.lock().unwrap_or_else(PoisonError::into_inner) = Some((generation, epoch));
    }

    /// Whether a stop is asked for in `epoch` of `generation`.
    #[must_use]
    pub fn is_halted(&self, generation: u64, epoch: u32) -> bool {
        *self.halt.lock().unwrap_or_else(PoisonError::into_inner) == Some((generation, epoch))
    }

    /// Notes which state the engine holds.
    pub(crate) fn set_held(&self, position: Option<Position>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }

    /// Which state the engine holds.
    #[must_use]
    pub fn held(&self) -> Option<Position> {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
