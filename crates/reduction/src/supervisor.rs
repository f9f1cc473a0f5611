//! Who runs a reduction.

/// Who runs a reduction. It is told that the reduction goes on, and can end a generation meanwhile.
pub trait Supervisor {
    /// The reduction has done something.
    fn beat(&self);

    /// Whether `generation` is over. What waits for others gives up then.
    fn is_aborted(&self, generation: u64) -> bool;

    /// Does `wait`, which waits for other ranks. Who waits is not to blame.
    fn while_waiting<T>(&self, wait: impl FnOnce() -> T) -> T;
}

/// Nobody: no generation is ended, and signs of life go nowhere.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

impl Supervisor for Nobody {
    fn beat(&self) {}

    fn is_aborted(&self, _generation: u64) -> bool {
        false
    }

    fn while_waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        wait()
    }
}
