//! A network over flat buffers.

use plan::Precision;
use resnet::{Architecture, Convolution, Entry, Layout, Node, Role};
use std::collections::HashMap;
use tch::{Kind, TchError, Tensor};
use thiserror::Error;

/// PyTorch's default.
const EPSILON: f64 = 1e-5;

/// A failure inside libtorch.
#[derive(Debug, Error)]
#[error("{operation}: {}", source.to_string().lines().next().unwrap_or_default())]
pub struct NetworkError {
    /// The layer, or what was being done.
    pub operation: String,
    /// libtorch's words.
    pub source: TchError,
}

/// Convolution and batch normalisation.
#[derive(Debug)]
struct ConvolutionNorm {
    name: String,
    weight: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    running: [Tensor; 2],
    batch: [Tensor; 2],
    stride: i64,
    padding: i64,
    relu: bool,
}

#[derive(Debug)]
enum Part {
    Stem(ConvolutionNorm),
    Block { branch: Vec<ConvolutionNorm>, shortcut: Option<ConvolutionNorm> },
    Head { weight: Tensor, bias: Tensor, square: i64 },
}

/// A network whose parameters are views into one flat buffer.
#[derive(Debug)]
pub struct Network {
    parts: Vec<Part>,
    leaves: Vec<Tensor>,
    precision: Precision,
}

impl Network {
    /// A network over `parameters` and `running` statistics, flat f32 buffers laid out by `layout` on one device. In
    /// training, the mean and unbiased variance of each normalisation's batch go to `batch`, laid out as `running`.
    ///
    /// # Errors
    /// If a buffer is too small.
    pub fn new(
        architecture: &Architecture,
        layout: &Layout,
        parameters: &Tensor,
        running: &Tensor,
        batch: &Tensor,
        precision: Precision,
    ) -> Result<Self, NetworkError> {
        let mut leaves = Vec::new();
        let mut tensors = HashMap::new();
        for entry in layout.of(Role::Parameter) {
            let leaf = view(parameters, entry)?.set_requires_grad(true);
            tensors.insert(entry.name.clone(), leaf.shallow_clone());
            leaves.push(leaf);
        }
        let mut batch_tensors = HashMap::new();
        for entry in layout.of(Role::Statistic) {
            tensors.insert(entry.name.clone(), view(running, entry)?);
            batch_tensors.insert(entry.name.clone(), view(batch, entry)?);
        }
        let take = |map: &HashMap<String, Tensor>, name: String| {
            map.get(&name).map(Tensor::shallow_clone).ok_or_else(|| NetworkError {
                operation: name,
                source: TchError::Torch("the layout has no such tensor".to_owned()),
            })
        };
        let convolution = |c: &Convolution| -> Result<ConvolutionNorm, NetworkError> {
            let statistics = |map| {
                let [mean, var] = ["running_mean", "running_var"].map(|name| take(map, format!("{}.{name}", c.norm)));
                Ok::<_, NetworkError>([mean?, var?])
            };
            Ok(ConvolutionNorm {
                name: c.name.clone(),
                weight: take(&tensors, format!("{}.weight", c.name))?,
                norm_weight: take(&tensors, format!("{}.weight", c.norm))?,
                norm_bias: take(&tensors, format!("{}.bias", c.norm))?,
                running: statistics(&tensors)?,
                batch: statistics(&batch_tensors)?,
                stride: i64::from(c.stride),
                padding: i64::from(c.kernel / 2),
                relu: c.relu,
            })
        };
        let mut parts = Vec::new();
        for node in architecture.nodes() {
            parts.push(match node {
                Node::Stem(stem) => Part::Stem(convolution(stem)?),
                Node::Block { branch, shortcut, .. } => Part::Block {
                    branch: branch.iter().map(convolution).collect::<Result<_, _>>()?,
                    shortcut: shortcut.as_ref().map(convolution).transpose()?,
                },
                Node::Head { name, square, .. } => Part::Head {
                    weight: take(&tensors, format!("{name}.weight"))?,
                    bias: take(&tensors, format!("{name}.bias"))?,
                    square: i64::from(*square),
                },
            });
        }
        Ok(Self { parts, leaves, precision })
    }

    /// The parameters as leaves of autograd, in the order of the layout. They share the flat buffer's memory.
    pub fn parameters(&self) -> &[Tensor] {
        &self.leaves
    }

    /// Logits, `[n, classes]` in f32, of normalised `images`, `[n, 3, 32, 32]` in f32 with strides of channels last. In
    /// training, normalisations use the statistics of the batch; else the running ones.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory; the error names the layer.
    pub fn forward(&self, images: &Tensor, training: bool) -> Result<Tensor, NetworkError> {
        let mut x = match self.precision {
            Precision::Fp32 => images.shallow_clone(),
            Precision::Bf16 => images.f_to_kind(Kind::BFloat16).map_err(at("input"))?,
        };
        for part in &self.parts {
            x = match part {
                Part::Stem(stem) => stem.forward(&x, self.precision, training)?,
                Part::Block { branch, shortcut } => {
                    let mut y = x.shallow_clone();
                    for convolution in branch {
                        y = convolution.forward(&y, self.precision, training)?;
                    }
                    let shortcut = match shortcut {
                        Some(shortcut) => shortcut.forward(&x, self.precision, training)?,
                        None => x,
                    };
                    let mut sum = y.f_add_(&shortcut).map_err(at("shortcut"))?;
                    sum.f_relu_().map_err(at("relu"))?
                }
                Part::Head { weight, bias, square } => head(&x, weight, bias, *square).map_err(at("classifer"))?,
            };
        }
        Ok(x)
    }
}

impl ConvolutionNorm {
    fn forward(&self, x: &Tensor, precision: Precision, training: bool) -> Result<Tensor, NetworkError> {
        self.compute(x, precision, training).map_err(at(&self.name))
    }

    fn compute(&self, x: &Tensor, precision: Precision, training: bool) -> Result<Tensor, TchError> {
        let none = None::<&Tensor>;
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        let y = match precision {
            Precision::Fp32 => x.f_conv2d(&self.weight, none, stride, padding, [1, 1], 1)?,
            Precision::Bf16 => x.f_conv2d(&self.weight.f_to_kind(Kind::BFloat16)?, none, stride, padding, [1, 1], 1)?,
        };
        // With momentum 1 libtorch writes the batch's own statistics, where it would else move the running ones.
        let [mean, var] = if training { &self.batch } else { &self.running };
        let (weight, bias) = (Some(&self.norm_weight), Some(&self.norm_bias));
        let mut z = y.f_batch_norm(weight, bias, Some(mean), Some(var), training, 1.0, EPSILON, true)?;
        if self.relu { z.f_relu_() } else { Ok(z) }
    }
}

/// In f32 whatever the precision.
fn head(x: &Tensor, weight: &Tensor, bias: &Tensor, square: i64) -> Result<Tensor, TchError> {
    let x = x.f_to_kind(Kind::Float)?;
    let x = x.f_avg_pool2d([square; 2], [square; 2], [0, 0], false, true, None::<i64>)?;
    x.f_flatten(1, -1)?.f_linear(weight, Some(bias))
}

fn view(flat: &Tensor, entry: &Entry) -> Result<Tensor, NetworkError> {
    flat.f_narrow(0, entry.offset as i64, entry.elements() as i64)
        .and_then(|slice| slice.f_view(&entry.shape[..]))
        .and_then(|view| view.f_detach())
        .map_err(at(&entry.name))
}

fn at(operation: &str) -> impl FnOnce(TchError) -> NetworkError + '_ {
    |source| NetworkError { operation: operation.to_owned(), source }
}
