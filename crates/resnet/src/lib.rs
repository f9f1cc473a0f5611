//! Residual networks for small images.
//!
//! An [`Architecture`] describes a network: its tensors with their names, shapes and order, its initial weights, its
//! [summary](Summary). The crate `network` computes it; this one needs no libtorch.
//!
//! # Layout
//!
//! - `model`: the models that there are, by name. `stem` and `sizes`: what else a network depends on.
//! - `architecture`: a network as parts, in the order of computation.
//! - `node`: the kinds of parts, a file each.
//! - `layout`: where each tensor lies in the flat buffers, and its role.
//! - `init`: how tensors begin, as functions of role and seed.
//! - `summary`: layers, shapes and sizes for people.
//!
//! # Example
//!
//! ```
//! use resnet::{Architecture, Sizes, Stem, initial_parameters};
//!
//! let sizes = Sizes { channels: 3, side: 32, classes: 10 };
//! let architecture = Architecture::named("resnet18", Stem::Small, sizes)?;
//! let layout = architecture.layout();
//! assert_eq!(layout.parameters(), 11_173_962);
//! assert_eq!(initial_parameters(layout, 0).len(), layout.parameters());
//! # Ok::<(), resnet::UnknownModel>(())
//! ```

mod architecture;
mod init;
mod layout;
mod model;
mod node;
mod sizes;
mod stem;
mod summary;

pub use architecture::Architecture;
pub use init::{initial_parameters, initial_statistics};
pub use layout::{Buffer, Entry, Layout, Role};
pub use model::{MODELS, UnknownModel, known};
pub use node::{Block, BlockKind, Convolution, Head, MaxPool, Node, Shape};
pub use sizes::Sizes;
pub use stem::Stem;
pub use summary::{Row, Summary};
