//! Residual networks for 32x32 images.
//!
//! An [`Architecture`] describes a network: its tensors with their names, shapes and order, its initial weights, its
//! [summary](Summary). With the feature `tch`, a [`Network`] computes it over flat buffers.

mod architecture;
mod init;
mod layout;
#[cfg(feature = "tch")]
mod network;
mod summary;

pub use architecture::{Architecture, Convolution, MODELS, Node, UnknownModel};
pub use init::initial_parameters;
pub use layout::{Entry, Layout, Role, initial_statistics};
#[cfg(feature = "tch")]
pub use network::{Network, NetworkError};
pub use summary::{Row, Summary};
