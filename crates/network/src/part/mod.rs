//! The kinds of parts, computed.
//!
//! A kind is a file here, with its forward pass in training and in inference and its backward pass. What it is made of is
//! described in the file of the same name in the crate `resnet`.

mod block;
mod convolution;
mod head;
mod max_pool;

use crate::{
    buffers::Views,
    error::{NetworkError, mismatch},
};
use block::Block;
use convolution::ConvolutionNorm;
use head::Head;
use max_pool::MaxPool;
use plan::Precision;
use resnet::Node;
use std::{any::Any, fmt};
use tch::{TchError, Tensor};

/// A part of a network, with its parameters.
pub(crate) trait Part: fmt::Debug + Send {
    /// Its output, where nothing is learned from it.
    fn infer(&self, x: &Tensor, precision: Precision) -> Result<Tensor, NetworkError>;

    /// Its output in training, and what its backward pass needs.
    fn forward(&mut self, x: &Tensor, precision: Precision) -> Result<(Tensor, Kept), NetworkError>;

    /// Writes the gradients of its parameters into `flat`, which is laid out as the parameters. Returns the gradient of its
    /// input, if that is wanted.
    fn backward(
        &self,
        kept: Kept,
        gradient: Gradient,
        input_wanted: bool,
        flat: &Tensor,
    ) -> Result<Option<Gradient>, NetworkError>;

    /// Where its first parameter lies; `None` if it has none.
    fn first_parameter(&self) -> Option<i64>;
}

/// The part that `node` describes.
pub(crate) fn part(node: &Node, views: &Views<'_>) -> Result<Box<dyn Part>, NetworkError> {
    Ok(match node {
        Node::Convolution(convolution) => Box::new(ConvolutionNorm::new(convolution, views)?),
        Node::MaxPool(pool) => Box::new(MaxPool::new(pool)),
        Node::Block(block) => Box::new(Block::new(block, views)?),
        Node::Head(head) => Box::new(Head::new(head, views)?),
    })
}

/// What a part keeps for its backward pass. Only the part itself knows what that is.
pub(crate) struct Kept(Box<dyn Any + Send>);

impl Kept {
    fn new(kept: impl Any + Send) -> Self {
        Self(Box::new(kept))
    }

    fn take<T: Any>(self) -> Result<T, NetworkError> {
        self.0.downcast().map(|kept| *kept).map_err(|_| mismatch("the tape is of another network"))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}

/// The gradient of what goes from part to part.
#[derive(Debug)]
pub(crate) struct Gradient {
    /// By way of a branch.
    pub direct: Tensor,
    /// What a shortcut brings besides. It is added where it is used, in a pass that reads the other anyway.
    pub second: Option<Tensor>,
}

impl Gradient {
    /// A gradient that comes one way.
    pub fn of(direct: Tensor) -> Self {
        Self { direct, second: None }
    }

    /// Both ways added.
    pub fn sum(self) -> Result<Tensor, TchError> {
        match self.second {
            Some(second) => self.direct.f_add(&second),
            None => Ok(self.direct),
        }
    }
}
