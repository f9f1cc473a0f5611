//! The training engine: one process a GPU, or on a CPU.
//!
//! A worker attaches to a coordinator ([`Session`]), which tells it the run; one thread owns all tensors ([`engine`]).

mod args;
mod data;
mod device;
pub mod engine;
mod error;
mod gpu;
mod memory;
mod session;
mod state_transfer;

pub use args::Args;
pub use data::check as check_data;
pub use device::{device, device_name, has_bf16};
pub use error::Error;
pub use memory::keep_freed_memory;
pub use session::Session;
