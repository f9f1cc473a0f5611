//! Residual networks computed over flat buffers, forward and backward, as the crate `resnet` describes them.
//!
//! # Layout
//!
//! - `network`: the parts in their order; forward, inference, and the backward pass written out.
//! - `convolution_norm`: a convolution with its normalisation, ReLU and shortcut.
//! - `head`: the mean over pixels, and the linear layer.
//!
//! # Example
//!
//! ```no_run
//! use network::{Buffers, Network};
//! use plan::Precision;
//! use resnet::{Architecture, Layout, Sizes, initial_parameters, initial_statistics};
//! use tch::{Device, Kind, Tensor};
//!
//! let architecture = Architecture::named("resnet20", Sizes { channels: 3, side: 32, classes: 10 })?;
//! let layout = Layout::new(&architecture);
//! let parameters = Tensor::from_slice(&initial_parameters(&layout, 0));
//! let running = Tensor::from_slice(&initial_statistics(&layout));
//! let batch = running.zeros_like();
//! let buffers = Buffers { parameters: &parameters, running: &running, batch: &batch };
//! let network = Network::new(&architecture, &layout, buffers, Precision::Fp32)?;
//! // Two images, with their channels last.
//! let images = Tensor::zeros([2, 32, 32, 3], (Kind::Float, Device::Cpu)).permute([0, 3, 1, 2]);
//! assert_eq!(network.infer(&images, || {})?.size(), [2, 10]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod convolution_norm;
mod error;
mod head;
mod network;

pub use error::NetworkError;
pub use network::{Buffers, Network, Tape};
