//! A network over flat buffers.

use crate::{
    buffers::{Buffers, Views},
    error::{NetworkError, at},
    part::{Gradient, Kept, Part, part},
};
use plan::Precision;
use resnet::Architecture;
use tch::{Kind, Tensor, no_grad};

/// A network whose parameters are views into one flat buffer. It does without autograd: the backward pass is written
/// out. So gradients go straight where the reduction wants them, in a known order.
#[derive(Debug)]
pub struct Network {
    parts: Vec<Box<dyn Part>>,
    precision: Precision,
}

/// What a forward pass in training keeps for the backward one.
#[derive(Debug)]
pub struct Tape(Vec<Kept>);

impl Network {
    /// The network that `architecture` describes, over `buffers`, which are laid out as it says.
    ///
    /// # Errors
    /// If a buffer is too small.
    pub fn new(architecture: &Architecture, buffers: Buffers<'_>, precision: Precision) -> Result<Self, NetworkError> {
        let views = Views { layout: architecture.layout(), buffers };
        let parts = architecture.nodes().iter().map(|node| part(node, &views)).collect::<Result<_, _>>()?;
        Ok(Self { parts, precision })
    }

    fn input(&self, images: &Tensor) -> Result<Tensor, NetworkError> {
        match self.precision {
            Precision::Fp32 => Ok(images.shallow_clone()),
            Precision::Bf16 => images.f_to_kind(Kind::BFloat16).map_err(at("input")),
        }
    }

    /// Logits, `[n, classes]` in f32, of normalised `images`, `[n, channels, side, side]` in f32 with channels last in memory.
    /// Normalisations use the running statistics. `layer_done` is called after every part.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory; the error names the layer.
    pub fn infer(&self, images: &Tensor, mut layer_done: impl FnMut()) -> Result<Tensor, NetworkError> {
        no_grad(|| {
            let mut x = self.input(images)?;
            for part in &self.parts {
                x = part.infer(&x, self.precision)?;
                layer_done();
            }
            Ok(x)
        })
    }

    /// Logits of `images` in training, and what [`Self::backward`] needs. They are as from [`Self::infer`], but
    /// normalisations use the statistics of the batch.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory; the error names the layer.
    pub fn forward(&mut self, images: &Tensor, mut layer_done: impl FnMut()) -> Result<(Tensor, Tape), NetworkError> {
        no_grad(|| {
            let mut x = self.input(images)?;
            let mut tape = Vec::with_capacity(self.parts.len());
            for part in &mut self.parts {
                let kept;
                (x, kept) = part.forward(&x, self.precision)?;
                tape.push(kept);
                layer_done();
            }
            Ok((x, Tape(tape)))
        })
    }

    /// Writes the gradients of all parameters over the head of `flat`, from the gradient of the logits. The head is
    /// laid out as the parameters. The pass goes from the last part to the first. It calls `filled` with the offset
    /// from which on all gradients are final.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory; the error names the layer.
    pub fn backward(
        &self,
        tape: Tape,
        logits: &Tensor,
        flat: &Tensor,
        mut filled: impl FnMut(usize),
    ) -> Result<(), NetworkError> {
        no_grad(|| {
            let mut gradient = Gradient::of(logits.shallow_clone());
            for (index, (part, kept)) in self.parts.iter().zip(tape.0).enumerate().rev() {
                // Nobody asks for the gradient of the images.
                let before = part.backward(kept, gradient, index > 0, flat)?;
                if let Some(offset) = part.first_parameter() {
                    filled(offset as usize);
                }
                let Some(before) = before else { break };
                gradient = before;
            }
            Ok(())
        })
    }
}
