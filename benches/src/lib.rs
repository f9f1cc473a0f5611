//! What programs that measure have in common: a coordinator as a process, figures, and the machine they are of.

mod figures;
mod machine;
mod program;

pub use figures::{at_percent, median};
pub use machine::{Machine, cpu_seconds, kilobytes};
pub use program::Program;
