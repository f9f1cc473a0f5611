//! What `coordinator`, `worker` and `cox` have in common as processes.
//!
//! Flags and variables ([`arguments`]), signals ([`signals`]), logs that a blocked terminal does not hold up ([`Log`]),
//! last words that never panic ([`say`]), and words of others that are safe to show ([`text`]).

pub mod address;
pub mod arguments;
mod log;
mod outlet;
mod print;
pub mod reference;
pub mod signals;
pub mod text;
mod unblock;
mod variable;

pub use arguments::Usage;
pub use log::{Format, Log, LogLine};
pub use outlet::Outlet;
pub use print::{FAREWELL, print, say};
pub use unblock::unblock;
pub use variable::{BadVariable, variable};
