//! Whose a failure is.

/// Whose a failure is. Only the one who failed can tell: its victims see no more than a collective that broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The reporter's own: its device, memory, address or disk. The others can go on without it.
    Own,
    /// Suffered from another worker that went away, or a line that broke.
    Suffered,
    /// A loss is no longer a number. It would be the same on any worker, unless a machine is sick.
    Diverged,
    /// The coordinator's: it did not give a state that it had ordered to be taken over.
    Withheld,
}
