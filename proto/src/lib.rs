//! coxswain.v1: the messages and gRPC services of a run, generated from the `.proto` files beside this crate.
//!
//! # Layout
//!
//! - [`v1`]: the generated messages and services. [`open_inference`]: those of the standard protocol for predictions.
//! - `convert`: between messages and what they mean.
//! - `state`: a state in pieces, and together again.
//! - `values`: settings as messages.
//!
//! # Example
//!
//! ```
//! use proto::{Malformed, v1};
//!
//! let position = plan::Position { epoch: 2, step: 5 };
//! assert_eq!(plan::Position::from(v1::Position::from(position)), position);
//! // What means nothing says so.
//! let held: Result<plan::Held, Malformed> = v1::Held::default().try_into();
//! assert_eq!(held.unwrap_err().what, "a state without its position");
//! ```

mod convert;
mod state;
mod values;

pub use convert::Malformed;
pub use state::{Assembly, state_chunks};
pub use values::{to_message, to_value};

/// Version 1 of the protocol.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "generated; the .proto files document it"
)]
pub mod v1 {
    tonic::include_proto!("coxswain.v1");
}

/// The Open Inference Protocol, version 2.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "generated; the .proto files document it"
)]
pub mod open_inference {
    tonic::include_proto!("inference");
}

/// The compiled `.proto` files, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The version of coxswain; workers and coordinator of one run have to agree in it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Bytes of a chunk of data in a stream: well below gRPC's usual limit of 4 MiB a message. Each is a sign of life, so they are
/// few enough to come soon on a slow line.
pub const CHUNK_BYTES: usize = 1 << 15;
