//! Residual networks for 32x32 images.
//!
//! An [`Architecture`] describes a network: its tensors with their names, shapes and order, its initial weights, its
//! [summary](Summary). The crate `network` computes it; this one needs no libtorch.

mod architecture;
mod init;
mod layout;
mod summary;

pub use architecture::{Architecture, Convolution, MODELS, Node, UnknownModel};
pub use init::initial_parameters;
pub use layout::{Entry, Layout, Role, initial_statistics};
pub use summary::{Row, Summary};
