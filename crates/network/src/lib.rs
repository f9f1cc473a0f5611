//! Residual networks computed by `tch` over flat buffers, as the crate `resnet` describes them.

mod network;

pub use network::{Network, NetworkError};
