//! What a run has been through: its epochs, generations, checkpoints, recoveries and events.
//!
//! A live coordinator keeps a [`Chronicle`] in memory and adds every [`Fact`] that it records. The journal of a run that is over is
//! read into the same value. So whatever shows a run shows a live one and a finished one alike. The crate needs no libtorch.
//!
//! # Layout
//!
//! - `chronicle`: the value, and what a fact changes. `fact`: what can happen. `read`: from a journal in SQLite. `error`: why not.
//!
//! # Example
//!
//! ```
//! use chronicle::{Chronicle, Fact};
//!
//! let mut chronicle = Chronicle::default();
//! chronicle.add(1.5, Fact::Event("worker a joined".to_owned()));
//! assert_eq!(chronicle.events().count(), 1);
//! ```

mod chronicle;
mod error;
mod fact;
mod read;

pub use chronicle::Chronicle;
pub use error::Error;
pub use fact::{Alert, Checkpoint, Event, Fact, Generation, Told};
pub use read::{FILE, Trouble, read, read_from};
