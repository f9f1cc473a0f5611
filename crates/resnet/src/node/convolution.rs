//! A convolution and its batch normalisation.

use super::{Described, Shape, shrunk};
use crate::{Role, Row, layout::Tensors};

/// A convolution without bias, followed by a batch normalisation. Its kernel is square. Half a kernel of zeros is on every
/// side, so that it keeps the size at stride 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convolution {
    /// The module's name, such as `layer1.0.features.0`.
    pub name: String,
    /// The name of the batch normalisation that follows.
    pub norm: String,
    /// Channels in.
    pub inputs: u32,
    /// Channels out.
    pub outputs: u32,
    /// Side of the kernel, which is odd.
    pub kernel: u32,
    /// Pixels from one output to the next, along both axes.
    pub stride: u32,
    /// Whether ReLU follows the normalisation.
    pub relu: bool,
}

impl Described for Convolution {
    fn tensors(&self, tensors: &mut Tensors) {
        let Self { name, norm, inputs, outputs, kernel, .. } = self;
        let fan_in = inputs * kernel * kernel;
        tensors.add(format!("{name}.weight"), &[*outputs, *inputs, *kernel, *kernel], Role::Weight { fan_in });
        tensors.add(format!("{norm}.weight"), &[*outputs], Role::Scale);
        tensors.add(format!("{norm}.bias"), &[*outputs], Role::Shift);
        tensors.add(format!("{norm}.running_mean"), &[*outputs], Role::RunningMean);
        tensors.add(format!("{norm}.running_var"), &[*outputs], Role::RunningVariance);
        tensors.add(format!("{norm}.num_batches_tracked"), &[], Role::BatchesTracked);
    }

    fn output(&self, input: Shape) -> Shape {
        Shape { channels: self.outputs, side: shrunk(input.side, self.stride) }
    }

    fn rows(&self, input: Shape, rows: &mut Vec<Row>) {
        let [inputs, outputs, kernel] = [self.inputs, self.outputs, self.kernel].map(u64::from);
        let output = self.output(input);
        rows.push(Row::of_image("Conv2d", output, inputs * outputs * kernel * kernel));
        rows.push(Row::of_image("BatchNorm2d", output, 2 * outputs));
        if self.relu {
            rows.push(Row::of_image("ReLU", output, 0));
        }
    }
}
