//! A network over flat buffers.

use crate::{
    convolution_norm::{ConvolutionNorm, KeptConvolution, Place},
    error::{NetworkError, at},
    head::{Head, KeptHead},
};
use operations::norm::Affine;
use plan::Precision;
use resnet::{Architecture, Convolution, Entry, Layout, Node};
use std::collections::HashMap;
use tch::{Kind, TchError, Tensor, no_grad};

/// The flat buffers of a model, in f32 on one device.
#[derive(Debug, Clone, Copy)]
pub struct Buffers<'a> {
    /// `layout.parameters()`.
    pub parameters: &'a Tensor,
    /// `layout.statistics()`: running means and variances.
    pub running: &'a Tensor,
    /// Laid out as `running`. A forward pass in training writes mean and unbiased variance of each normalisation's
    /// batch here.
    pub batch: &'a Tensor,
}

#[derive(Debug)]
enum Part {
    Stem(ConvolutionNorm),
    Block { branch: Vec<ConvolutionNorm>, shortcut: Option<ConvolutionNorm> },
    Head(Head),
}

/// A network whose parameters are views into one flat buffer. It does without autograd: the backward pass is written
/// out. So gradients go straight where the reduction wants them, in a known order.
#[derive(Debug)]
pub struct Network {
    parts: Vec<Part>,
    precision: Precision,
}

/// What a forward pass in training keeps for the backward one.
#[derive(Debug)]
pub struct Tape(Vec<KeptPart>);

#[derive(Debug)]
enum KeptPart {
    Stem(KeptConvolution),
    Block { branch: Vec<KeptConvolution>, shortcut: Option<KeptConvolution> },
    Head(KeptHead),
}

impl Network {
    /// A network over `buffers`, laid out by `layout`.
    ///
    /// # Errors
    /// If a buffer is too small.
    pub fn new(
        architecture: &Architecture,
        layout: &Layout,
        buffers: Buffers<'_>,
        precision: Precision,
    ) -> Result<Self, NetworkError> {
        let entries = layout.entries().iter().map(|entry| (entry.name.as_str(), entry)).collect();
        let views = Views { entries, buffers };
        let parts = architecture.nodes().iter().map(|node| views.part(node)).collect::<Result<_, _>>()?;
        Ok(Self { parts, precision })
    }

    fn input(&self, images: &Tensor) -> Result<Tensor, NetworkError> {
        match self.precision {
            Precision::Fp32 => Ok(images.shallow_clone()),
            Precision::Bf16 => images.f_to_kind(Kind::BFloat16).map_err(at("input")),
        }
    }

    /// Logits, `[n, classes]` in f32, of normalised `images`, `[n, channels, side, side]` in f32 with channels last in memory.
    /// Normalisations use the running statistics. `layer_done` is called after every block.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory; the error names the layer.
    pub fn infer(&self, images: &Tensor, mut layer_done: impl FnMut()) -> Result<Tensor, NetworkError> {
        no_grad(|| {
            let mut x = self.input(images)?;
            for part in &self.parts {
                x = match part {
                    Part::Stem(stem) => stem.infer(&x, None, true, self.precision)?,
                    Part::Block { branch, shortcut } => {
                        let shortcut = match shortcut {
                            Some(shortcut) => shortcut.infer(&x, None, false, self.precision)?,
                            None => x.shallow_clone(),
                        };
                        for (index, layer) in branch.iter().enumerate() {
                            let last = index + 1 == branch.len();
                            x = layer.infer(&x, last.then_some(&shortcut), true, self.precision)?;
                        }
                        x
                    }
                    Part::Head(head) => head.forward(&x).map_err(at(&head.name))?.0,
                };
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
            let precision = self.precision;
            for part in &mut self.parts {
                let kept;
                (x, kept) = match part {
                    Part::Stem(stem) => {
                        let (x, kept) = stem.forward(&x, None, true, precision)?;
                        (x, KeptPart::Stem(kept))
                    }
                    Part::Block { branch, shortcut } => {
                        let (bypass, kept_shortcut) = match shortcut {
                            Some(shortcut) => {
                                let (bypass, kept) = shortcut.forward(&x, None, false, precision)?;
                                (bypass, Some(kept))
                            }
                            None => (x.shallow_clone(), None),
                        };
                        let mut kept_branch = Vec::with_capacity(branch.len());
                        let last = branch.len().saturating_sub(1);
                        for (index, layer) in branch.iter_mut().enumerate() {
                            let kept;
                            (x, kept) = layer.forward(&x, (index == last).then_some(&bypass), true, precision)?;
                            kept_branch.push(kept);
                        }
                        (x, KeptPart::Block { branch: kept_branch, shortcut: kept_shortcut })
                    }
                    Part::Head(head) => {
                        let (logits, kept) = head.forward(&x).map_err(at(&head.name))?;
                        (logits, KeptPart::Head(kept))
                    }
                };
                tape.push(kept);
                layer_done();
            }
            Ok((x, Tape(tape)))
        })
    }

    /// Writes the gradients of all parameters over the head of `flat`, from the gradient of the logits. The head is
    /// laid out as the parameters. The pass goes from the last layer to the first. It calls `filled` with the offset
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
            let mut gradient = logits.shallow_clone();
            // Of the same activation, by way of the shortcut.
            let mut second: Option<Tensor> = None;
            for (part, kept) in self.parts.iter().zip(tape.0).rev() {
                let first_offset = match (part, kept) {
                    (Part::Head(head), KeptPart::Head(kept)) => {
                        gradient = head.backward(&kept, &gradient, flat).map_err(at(&head.name))?;
                        head.places[0].offset
                    }
                    (
                        Part::Block { branch, shortcut },
                        KeptPart::Block { branch: kept_branch, shortcut: kept_shortcut },
                    ) => {
                        let mut bypass = None;
                        for (layer, kept) in branch.iter().zip(kept_branch).rev() {
                            let (input, sum) = layer.backward(kept, gradient, second.as_ref(), true, flat)?;
                            gradient = wanted(input, &layer.name)?;
                            second = None;
                            bypass.get_or_insert(sum);
                        }
                        second = match (shortcut, kept_shortcut, bypass) {
                            (Some(layer), Some(kept), Some(bypass)) => {
                                Some(wanted(layer.backward(kept, bypass, None, true, flat)?.0, &layer.name)?)
                            }
                            (_, _, bypass) => bypass,
                        };
                        branch.first().map_or(0, |layer| layer.places[0].offset)
                    }
                    (Part::Stem(stem), KeptPart::Stem(kept)) => {
                        let _ = stem.backward(kept, gradient, second.as_ref(), false, flat)?;
                        filled(0);
                        return Ok(());
                    }
                    _ => return Err(mismatch("the tape is of another network")),
                };
                filled(first_offset as usize);
            }
            Ok(())
        })
    }
}

fn wanted(gradient: Option<Tensor>, layer: &str) -> Result<Tensor, NetworkError> {
    gradient.ok_or_else(|| mismatch(layer))
}

fn mismatch(operation: &str) -> NetworkError {
    NetworkError { operation: operation.to_owned(), source: TchError::Torch("no gradient came".to_owned()) }
}

/// Finds tensors by name.
struct Views<'a> {
    entries: HashMap<&'a str, &'a Entry>,
    buffers: Buffers<'a>,
}

impl Views<'_> {
    fn place(&self, name: &str) -> Result<Place, NetworkError> {
        let entry = self.entries.get(name).ok_or_else(|| NetworkError {
            operation: name.to_owned(),
            source: TchError::Torch("the layout has no such tensor".to_owned()),
        })?;
        Ok(Place { offset: entry.offset as i64, shape: entry.shape.clone() })
    }

    fn part(&self, node: &Node) -> Result<Part, NetworkError> {
        Ok(match node {
            Node::Stem(stem) => Part::Stem(self.convolution_norm(stem)?),
            Node::Block { branch, shortcut, .. } => Part::Block {
                branch: branch.iter().map(|layer| self.convolution_norm(layer)).collect::<Result<_, _>>()?,
                shortcut: shortcut.as_ref().map(|layer| self.convolution_norm(layer)).transpose()?,
            },
            Node::Head { name, .. } => {
                let places = [self.place(&format!("{name}.weight"))?, self.place(&format!("{name}.bias"))?];
                let view = |place: &Place| place.of(self.buffers.parameters).map_err(at(name));
                Part::Head(Head { name: name.clone(), weight: view(&places[0])?, bias: view(&places[1])?, places })
            }
        })
    }

    fn convolution_norm(&self, layer: &Convolution) -> Result<ConvolutionNorm, NetworkError> {
        let places = [
            self.place(&format!("{}.weight", layer.name))?,
            self.place(&format!("{}.weight", layer.norm))?,
            self.place(&format!("{}.bias", layer.norm))?,
        ];
        let statistics =
            [self.place(&format!("{}.running_mean", layer.norm))?, self.place(&format!("{}.running_var", layer.norm))?];
        let view = |place: &Place, flat: &Tensor| place.of(flat).map_err(at(&layer.name));
        let Buffers { parameters, running, batch } = self.buffers;
        Ok(ConvolutionNorm {
            name: layer.name.clone(),
            convolution: operations::Convolution {
                stride: i64::from(layer.stride),
                padding: i64::from(layer.kernel / 2),
            },
            weight: view(&places[0], parameters)?,
            affine: Affine { weight: view(&places[1], parameters)?, bias: view(&places[2], parameters)? },
            running: [view(&statistics[0], running)?, view(&statistics[1], running)?],
            batch: [view(&statistics[0], batch)?, view(&statistics[1], batch)?],
            places,
        })
    }
}
