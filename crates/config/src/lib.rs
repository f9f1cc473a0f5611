//! The configuration of a run: all that decides the weights, and nothing else.
//!
//! Each setting is declared once, as a field: here, or in the schedule, optimiser or loss that has it. The [`settings`] crate
//! makes flags, checks and comparisons of that. What does not decide the weights is declared with the program that has it.
//!
//! # Layout
//!
//! - `run`: the configuration, its defaults and its checks.
//! - `asked`: what a command line, variables and a file ask for.
//! - `conflict`: what a run that has begun cannot take over.
//! - `earlier`: configurations that earlier versions wrote.
//!
//! # Example
//!
//! ```no_run
//! use config::RunConfig;
//! use serde_json::json;
//!
//! let asked = json!({"batch_size": 256, "optimizer": {"kind": "sgd", "momentum": 0.8}});
//! let run = RunConfig::default().with(&asked)?;
//! assert_eq!(run.batch_size, 256);
//! let differences = RunConfig::default().differences(&run);
//! assert_eq!(differences[1].to_string(), "momentum: 0.9 -> 0.8");
//! # Ok::<(), config::NoConfig>(())
//! ```

mod asked;
mod conflict;
mod earlier;
mod run;

pub use asked::Asked;
pub use data::{Augmentations, DatasetSpec};
pub use earlier::{AnyVersion, of_any_version};
pub use learn::Decay;
pub use plan::{Precision, Reduction, Wire};
pub use run::{NoConfig, RunConfig};
pub use settings::{Difference, Impossible};
