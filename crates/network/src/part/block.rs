//! A residual block.

use super::{
    Gradient, Kept, Part,
    convolution::{After, ConvolutionNorm, KeptConvolution},
};
use crate::{
    buffers::Views,
    error::{NetworkError, mismatch},
};
use plan::Precision;
use tch::Tensor;

#[derive(Debug)]
pub(super) struct Block {
    branch: Vec<ConvolutionNorm>,
    shortcut: Option<ConvolutionNorm>,
    /// Whether ReLU follows the sum of both.
    relu: bool,
}

/// What a block keeps for its backward pass.
struct KeptBlock {
    branch: Vec<KeptConvolution>,
    shortcut: Option<KeptConvolution>,
}

/// What follows a layer of a branch. The shortcut is added to the last one.
fn after<'a>(layer: &ConvolutionNorm, is_last: bool, end: After<'a>) -> After<'a> {
    if is_last { end } else { layer.alone() }
}

impl Block {
    pub fn new(described: &resnet::Block, views: &Views<'_>) -> Result<Self, NetworkError> {
        let layer = |described| ConvolutionNorm::new(described, views);
        Ok(Self {
            branch: described.branch.iter().map(layer).collect::<Result<_, _>>()?,
            shortcut: described.shortcut.as_ref().map(layer).transpose()?,
            relu: described.relu,
        })
    }
}

impl Part for Block {
    fn infer(&self, x: &Tensor, precision: Precision) -> Result<Tensor, NetworkError> {
        let shortcut = match &self.shortcut {
            Some(shortcut) => shortcut.infer(x, precision)?,
            None => x.shallow_clone(),
        };
        let end = After { shortcut: Some(&shortcut), relu: self.relu };
        let mut x = x.shallow_clone();
        for (index, layer) in self.branch.iter().enumerate() {
            x = layer.infer_then(&x, after(layer, index + 1 == self.branch.len(), end), precision)?;
        }
        Ok(x)
    }

    fn forward(&mut self, x: &Tensor, precision: Precision) -> Result<(Tensor, Kept), NetworkError> {
        let (bypass, shortcut) = match &mut self.shortcut {
            Some(shortcut) => {
                let (bypass, kept) = shortcut.forward_then(x, shortcut.alone(), precision)?;
                (bypass, Some(kept))
            }
            None => (x.shallow_clone(), None),
        };
        let end = After { shortcut: Some(&bypass), relu: self.relu };
        let len = self.branch.len();
        let mut branch = Vec::with_capacity(len);
        let mut x = x.shallow_clone();
        for (index, layer) in self.branch.iter_mut().enumerate() {
            let kept;
            (x, kept) = layer.forward_then(&x, after(layer, index + 1 == len, end), precision)?;
            branch.push(kept);
        }
        Ok((x, Kept::new(KeptBlock { branch, shortcut })))
    }

    fn backward(
        &self,
        kept: Kept,
        mut gradient: Gradient,
        input_wanted: bool,
        flat: &Tensor,
    ) -> Result<Option<Gradient>, NetworkError> {
        let kept: KeptBlock = kept.take()?;
        let mut bypass = None;
        for (index, (layer, kept)) in self.branch.iter().zip(kept.branch).enumerate().rev() {
            let (input, sum) = layer.backward_of(kept, gradient, input_wanted || index > 0, flat)?;
            bypass.get_or_insert(sum);
            gradient = match input {
                Some(input) => Gradient::of(input),
                None if index > 0 => return Err(mismatch(&layer.name)),
                None => return Ok(None),
            };
        }
        let second = match (&self.shortcut, kept.shortcut, bypass) {
            (Some(layer), Some(kept), Some(bypass)) => layer.backward_of(kept, Gradient::of(bypass), true, flat)?.0,
            (_, _, bypass) => bypass,
        };
        Ok(Some(Gradient { second, ..gradient }))
    }

    fn first_parameter(&self) -> Option<i64> {
        self.branch.first().and_then(Part::first_parameter)
    }
}
