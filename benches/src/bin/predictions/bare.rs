//! A network by libtorch's own operations, in evaluation mode, channels last.

use resnet::{Architecture, Buffer, Convolution, Node};
use std::collections::HashMap;
use tch::{Kind, TchError, Tensor};

/// The network by libtorch's own operations.
pub struct Bare {
    nodes: Vec<Node>,
    tensors: HashMap<String, Tensor>,
}

impl Bare {
    pub fn new(architecture: &Architecture, model: [&[f32]; 2]) -> Result<Self, TchError> {
        let mut tensors = HashMap::new();
        for entry in architecture.layout().entries() {
            let flat = match entry.role.buffer() {
                Some(Buffer::Parameters) => model[0],
                Some(Buffer::Statistics) => model[1],
                None => continue,
            };
            let tensor = Tensor::f_from_slice(&flat[entry.offset..entry.offset + entry.elements()])?;
            let tensor = tensor.f_view(&entry.shape[..])?;
            // As `model.to(memory_format=torch.channels_last)` has them.
            let last = entry.shape.len() == 4;
            let laid_out =
                if last { tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])? } else { tensor };
            tensors.insert(entry.name.clone(), laid_out);
        }
        Ok(Self { nodes: architecture.nodes().to_vec(), tensors })
    }

    fn layer(&self, x: &Tensor, layer: &Convolution, relu: bool) -> Result<Tensor, TchError> {
        let tensor = |of: &str, name: &str| self.tensors.get(&format!("{of}.{name}"));
        let (stride, padding) = (i64::from(layer.stride), i64::from(layer.kernel / 2));
        let weight = tensor(&layer.name, "weight").ok_or_else(|| TchError::Torch(layer.name.clone()))?;
        let y = x.f_conv2d(weight, None::<&Tensor>, [stride; 2], [padding; 2], [1, 1], 1)?;
        let [weight, bias, mean, variance] =
            ["weight", "bias", "running_mean", "running_var"].map(|name| tensor(&layer.norm, name));
        let mut y = y.f_batch_norm(weight, bias, mean, variance, false, 0.1, 1e-5, false)?;
        if relu { y.f_relu_() } else { Ok(y) }
    }

    pub fn logits(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let mut x = images.shallow_clone();
        for node in &self.nodes {
            x = match node {
                Node::Convolution(layer) => self.layer(&x, layer, layer.relu)?,
                Node::MaxPool(pool) => {
                    let [kernel, stride] = [pool.kernel, pool.stride].map(|size| [i64::from(size); 2]);
                    x.f_max_pool2d(kernel, stride, [kernel[0] / 2; 2], [1, 1], false)?
                }
                Node::Block(block) => {
                    let shortcut = block.shortcut.as_ref().map(|layer| self.layer(&x, layer, false)).transpose()?;
                    let mut y = x.shallow_clone();
                    for layer in &block.branch {
                        y = self.layer(&y, layer, layer.relu)?;
                    }
                    y.f_add_(&shortcut.unwrap_or(x))?.f_relu_()?
                }
                Node::Head(head) => {
                    let tensor = |name: &str| self.tensors.get(&format!("{}.{name}", head.name));
                    let weight = tensor("weight").ok_or_else(|| TchError::Torch(head.name.clone()))?;
                    x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?.f_linear(weight, tensor("bias"))?
                }
            };
        }
        Ok(x)
    }
}
