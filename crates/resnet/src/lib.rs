//! Residual networks for small images.
//!
//! An [`Architecture`] describes a network: its tensors with their names, shapes and order, its initial weights, its
//! [summary](Summary). The crate `network` computes it; this one needs no libtorch.
//!
//! # Layout
//!
//! - `architecture`: the models that there are, as nodes.
//! - `layout`: where each tensor lies in the flat buffers.
//! - `init`: initial weights, as functions of the seed.
//! - `summary`: layers, shapes and sizes for people.
//!
//! # Example
//!
//! ```
//! use resnet::{Architecture, Layout, Sizes, initial_parameters};
//!
//! let architecture = Architecture::named("resnet18", Sizes { channels: 3, side: 32, classes: 10 })?;
//! let layout = Layout::new(&architecture);
//! assert_eq!(layout.parameters(), 11_173_962);
//! assert_eq!(initial_parameters(&layout, 0).len(), layout.parameters());
//! # Ok::<(), resnet::UnknownModel>(())
//! ```

mod architecture;
mod init;
mod layout;
mod summary;

pub use architecture::{Architecture, Convolution, MODELS, Node, Sizes, UnknownModel, known};
pub use init::initial_parameters;
pub use layout::{Entry, Layout, Role, initial_statistics};
pub use summary::{Row, Summary};
