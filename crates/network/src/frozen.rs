//! A network of which nothing is learned any more.

use crate::{
    buffers::{Buffers, Views},
    error::{NetworkError, at},
};
use operations::{
    Convolution, MaxPool,
    norm::{self, Affine},
};
use resnet::{Architecture, Node};
use tch::{Kind, TchError, Tensor, no_grad};

/// Images that go through all layers together. What layers make of more of them would not stay in the processor's caches.
const TOGETHER: i64 = 8;

/// A network whose weights do not change any more, in fp32 on a CPU, for one thread. The logits of an image are the same bytes
/// whether it comes alone or in any batch.
///
/// That is so because no operation knows of other images. Our kernels compute each tile, or each value, by itself. libtorch's
/// convolutions get one image at a time. The head is written out here. [`crate::Network`] is as near as rounding allows.
#[derive(Debug)]
pub struct FrozenNetwork {
    parts: Vec<Part>,
    classes: usize,
}

#[derive(Debug)]
enum Part {
    Layer(Layer),
    MaxPool(String, MaxPool),
    Block { branch: Vec<Layer>, shortcut: Option<Layer>, relu: bool },
    Head(Head),
}

/// Convolution, normalisation and perhaps ReLU.
#[derive(Debug)]
struct Layer {
    name: String,
    relu: bool,
    convolution: operations::Frozen,
    affine: Affine,
    running: [Tensor; 2],
}

impl FrozenNetwork {
    /// The network that `architecture` describes, from flat `parameters` and running `statistics`, which are laid out as it says.
    ///
    /// # Errors
    /// If a buffer is too small, or there is no memory.
    pub fn new(architecture: &Architecture, parameters: &[f32], statistics: &[f32]) -> Result<Self, NetworkError> {
        let flat = |values: &[f32]| Tensor::f_from_slice(values).map_err(at("weights"));
        let (parameters, running) = (flat(parameters)?, flat(statistics)?);
        let buffers = Buffers { parameters: &parameters, running: &running, batch: &running };
        let views = Views { layout: architecture.layout(), buffers };
        let layer = |described: &resnet::Convolution| no_grad(|| Layer::new(described, &views));
        let mut classes = 0;
        let mut parts = Vec::with_capacity(architecture.nodes().len());
        for node in architecture.nodes() {
            parts.push(match node {
                Node::Convolution(described) => Part::Layer(layer(described)?),
                Node::MaxPool(described) => {
                    let operation =
                        MaxPool { kernel: i64::from(described.kernel), stride: i64::from(described.stride) };
                    Part::MaxPool(described.name.clone(), operation)
                }
                Node::Block(described) => Part::Block {
                    branch: described.branch.iter().map(layer).collect::<Result<_, _>>()?,
                    shortcut: described.shortcut.as_ref().map(layer).transpose()?,
                    relu: described.relu,
                },
                Node::Head(described) => {
                    classes = described.classes as usize;
                    Part::Head(Head::new(described, &views)?)
                }
            });
        }
        Ok(Self { parts, classes })
    }

    /// What it takes of the memory, in bytes: the buffers and what was made of them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |layer: &Layer| layer.convolution.bytes() + layer.affine.weight.numel() * 4 * size_of::<f32>();
        let of_part = |part: &Part| match part {
            Part::Layer(layer) => of(layer),
            Part::MaxPool(..) => 0,
            Part::Block { branch, shortcut, .. } => branch.iter().chain(shortcut).map(of).sum(),
            Part::Head(head) => (head.weight.len() + head.bias.len()) * size_of::<f32>(),
        };
        self.parts.iter().map(of_part).sum()
    }

    /// The logits of each image, class by class. The normalised `images` are `[n, channels, side, side]` in f32 with channels
    /// last in memory.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory; the error names the layer.
    pub fn logits(&self, images: &Tensor) -> Result<Vec<Vec<f32>>, NetworkError> {
        no_grad(|| {
            let pieces = images.f_split(TOGETHER, 0).map_err(at("the images"))?;
            let logits = pieces.iter().map(|piece| self.logits_of_piece(piece)).collect::<Result<Vec<_>, _>>()?;
            Ok(logits.into_iter().flatten().collect())
        })
    }

    fn logits_of_piece(&self, images: &Tensor) -> Result<Vec<Vec<f32>>, NetworkError> {
        let mut x = images.shallow_clone();
        for part in &self.parts {
            x = match part {
                Part::Layer(layer) => layer.output(&x, None, layer.relu)?,
                Part::MaxPool(name, operation) => operation.forward(&x).map_err(at(name))?.0,
                Part::Block { branch, shortcut, relu } => block(&x, branch, shortcut.as_ref(), *relu)?,
                Part::Head(head) => return head.logits(&x, self.classes).map_err(at(&head.name)),
            };
        }
        Ok(Vec::new())
    }
}

fn block(x: &Tensor, branch: &[Layer], shortcut: Option<&Layer>, relu: bool) -> Result<Tensor, NetworkError> {
    let bypass = match shortcut {
        Some(layer) => layer.output(x, None, layer.relu)?,
        None => x.shallow_clone(),
    };
    let mut x = x.shallow_clone();
    for (index, layer) in branch.iter().enumerate() {
        let is_last = index + 1 == branch.len();
        x = layer.output(&x, is_last.then_some(&bypass), if is_last { relu } else { layer.relu })?;
    }
    Ok(x)
}

impl Layer {
    fn new(described: &resnet::Convolution, views: &Views<'_>) -> Result<Self, NetworkError> {
        let resnet::Convolution { name, norm, kernel, stride, relu, .. } = described;
        let parameter = |tensor: &str| views.parameter(&views.place(tensor)?, name);
        let running = |tensor: &str| {
            let [running, _] = views.statistic(&views.place(&format!("{norm}.{tensor}"))?, name)?;
            Ok::<_, NetworkError>(running)
        };
        let convolution = Convolution { stride: i64::from(*stride), padding: i64::from(kernel / 2) };
        let weight = parameter(&format!("{name}.weight"))?;
        Ok(Self {
            name: name.clone(),
            relu: *relu,
            convolution: operations::Frozen::new(convolution, &weight).map_err(at(name))?,
            affine: Affine { weight: parameter(&format!("{norm}.weight"))?, bias: parameter(&format!("{norm}.bias"))? },
            running: [running("running_mean")?, running("running_var")?],
        })
    }

    fn output(&self, x: &Tensor, shortcut: Option<&Tensor>, relu: bool) -> Result<Tensor, NetworkError> {
        let convolved = self.convolution.forward(x);
        let output = convolved.and_then(|y| norm::infer(y, &self.affine, &self.running, shortcut, relu));
        output.map_err(at(&self.name))
    }
}

/// The mean over all pixels and a linear layer. Sums are in one order, and their products are rounded: any processor gets
/// the same bits of the same features.
#[derive(Debug)]
struct Head {
    name: String,
    /// `[features][classes]`, so that what is summed up side by side lies side by side.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Head {
    fn new(described: &resnet::Head, views: &Views<'_>) -> Result<Self, NetworkError> {
        let name = &described.name;
        let values = |tensor: &str, transpose: bool| {
            let found = views.parameter(&views.place(&format!("{name}.{tensor}"))?, name)?;
            let found = if transpose { found.f_tr().map_err(at(name))? } else { found };
            found.f_reshape([-1]).and_then(|flat| Vec::<f32>::try_from(&flat)).map_err(at(name))
        };
        Ok(Self { name: name.clone(), weight: values("weight", true)?, bias: values("bias", false)? })
    }

    /// The logits of each image of `x`, `[n, features, h, w]`.
    fn logits(&self, x: &Tensor, classes: usize) -> Result<Vec<Vec<f32>>, TchError> {
        let (_, features, height, width) = x.size4()?;
        let pixels = (height * width) as usize;
        let values = Vec::<f32>::try_from(&x.f_permute([0, 2, 3, 1])?.f_to_kind(Kind::Float)?.f_reshape([-1])?)?;
        let features = features as usize;
        Ok(values.chunks_exact(features * pixels).map(|image| self.of_image(image, features, classes)).collect())
    }

    fn of_image(&self, image: &[f32], features: usize, classes: usize) -> Vec<f32> {
        let mut sums = vec![0.0_f32; features];
        for pixel in image.chunks_exact(features) {
            sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
        }
        let pixels = (image.len() / features) as f32;
        let mut logits = self.bias.clone();
        for (sum, weights) in sums.iter().zip(self.weight.chunks_exact(classes)) {
            let mean = sum / pixels;
            logits.iter_mut().zip(weights).for_each(|(logit, weight)| *logit += mean * weight);
        }
        logits
    }
}
