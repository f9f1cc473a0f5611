//! Residual networks computed over flat buffers, forward and backward, as the crate `resnet` describes them.
//!
//! # Layout
//!
//! - `network`: the parts in their order; forward, inference, and the backward pass written out.
//! - `frozen`: a network that only answers. An image's logits are the same bytes in any batch.
//! - `part`: the kinds of parts, a file each.
//! - `buffers`: the flat buffers, and views into them by name.
//!
//! # Example
//!
//! ```no_run
//! use network::{Buffers, Network};
//! use plan::Precision;
//! use resnet::{Architecture, Sizes, Stem, initial_parameters, initial_statistics};
//! use tch::{Device, Kind, Tensor};
//!
//! let sizes = Sizes { channels: 3, side: 32, classes: 10 };
//! let architecture = Architecture::named("resnet20", Stem::Small, sizes)?;
//! let parameters = Tensor::from_slice(&initial_parameters(architecture.layout(), 0));
//! let running = Tensor::from_slice(&initial_statistics(architecture.layout()));
//! let batch = running.zeros_like();
//! let buffers = Buffers { parameters: &parameters, running: &running, batch: &batch };
//! let network = Network::new(&architecture, buffers, Precision::Fp32)?;
//! // Two images, with their channels last.
//! let images = Tensor::zeros([2, 32, 32, 3], (Kind::Float, Device::Cpu)).permute([0, 3, 1, 2]);
//! assert_eq!(network.infer(&images, || {})?.size(), [2, 10]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod buffers;
mod error;
mod frozen;
mod network;
mod part;

pub use buffers::Buffers;
pub use error::NetworkError;
pub use frozen::FrozenNetwork;
pub use network::{Network, Tape};
