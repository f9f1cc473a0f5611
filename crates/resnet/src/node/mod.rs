//! The kinds of parts that networks have.
//!
//! A kind is a file here, with its tensors, its output's shape and its rows of the summary. Its computation is the file
//! of the same name in the crate `network`.

mod block;
mod convolution;
mod head;
mod max_pool;

pub use block::{Block, BlockKind};
pub use convolution::Convolution;
pub use head::Head;
pub use max_pool::MaxPool;

use crate::{Row, layout::Tensors};

/// A part of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Convolution, batch normalisation and what follows.
    Convolution(Convolution),
    /// The largest of the pixels under a window.
    MaxPool(MaxPool),
    /// `relu(branch(x) + shortcut(x))`.
    Block(Block),
    /// The mean over all pixels, then a linear layer.
    Head(Head),
}

/// The shape of what goes from part to part, for one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Planes of values, one for each feature.
    pub channels: u32,
    /// Pixels along each side.
    pub side: u32,
}

/// What is known of a part before it computes anything.
pub(crate) trait Described {
    /// Adds its tensors, in the order of PyTorch's state dict.
    fn tensors(&self, tensors: &mut Tensors);

    /// The shape of its output.
    fn output(&self, input: Shape) -> Shape;

    /// Adds its rows of the summary, as `torchsummary` has them.
    fn rows(&self, input: Shape, rows: &mut Vec<Row>);
}

impl Node {
    /// What is known of it, whatever its kind is.
    pub(crate) fn described(&self) -> &dyn Described {
        match self {
            Self::Convolution(convolution) => convolution,
            Self::MaxPool(pool) => pool,
            Self::Block(block) => block,
            Self::Head(head) => head,
        }
    }
}

/// The side after an odd window that is padded by half of itself. PyTorch's formula, `(side + 2 * padding - kernel) /
/// stride + 1`, comes to this.
fn shrunk(side: u32, stride: u32) -> u32 {
    side.div_ceil(stride)
}
