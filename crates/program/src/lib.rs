//! What `coordinator`, `worker` and `cox` have in common as processes.
//!
//! # Layout
//!
//! - [`arguments`]: flags, and the variables that stand for them. [`reference`]: the page of all flags.
//! - [`signals`]: which signals ask a program to end.
//! - `log` and `outlet`: logs that a blocked terminal does not hold up. `print`: last words that never panic.
//! - `traces`: where `--profile` writes.
//! - [`address`]: addresses as people give them. [`text`]: words of others that are safe to show.
//!
//! # Example
//!
//! ```
//! use clap::Parser;
//! use program::arguments;
//! use std::ffi::OsString;
//!
//! /// Counts.
//! #[derive(Parser)]
//! struct Args {
//!     /// How far
//!     #[arg(long, default_value_t = 3)]
//!     far: u32,
//! }
//!
//! let line = ["count", "--far", "5"].map(OsString::from);
//! let args: Args = arguments::read(arguments::command::<Args>(&[]), &line, &[])?;
//! assert_eq!(args.far, 5);
//! # Ok::<(), program::Usage>(())
//! ```

pub mod address;
pub mod arguments;
mod log;
mod outlet;
mod print;
pub mod reference;
pub mod signals;
pub mod text;
mod traces;
mod unblock;
mod variable;

pub use arguments::Usage;
pub use log::{Format, Log, LogLine};
pub use outlet::Outlet;
pub use print::{FAREWELL, print, say};
pub use traces::Traces;
pub use unblock::unblock;
pub use variable::{BadVariable, variable};
