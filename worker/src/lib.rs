//! A worker: one process a GPU, or on a CPU.
//!
//! A worker attaches to a coordinator ([`Session`]), which tells it the run; the [`engine`] does what it is told.

mod args;
mod data;
mod device;
mod error;
mod gpu;
mod session;
mod state_transfer;

pub use args::Args;
pub use data::check as check_data;
pub use device::{device, device_name, has_bf16};
pub use error::Error;
pub use session::Session;
