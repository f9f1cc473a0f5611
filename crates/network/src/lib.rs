//! Residual networks computed over flat buffers, forward and backward, as the crate `resnet` describes them.

mod convolution_norm;
mod error;
mod head;
mod network;

pub use error::NetworkError;
pub use network::{Buffers, Network, Tape};
