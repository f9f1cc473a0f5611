//! The end of a network.

use super::{Described, Shape};
use crate::{Role, Row, layout::Tensors};

/// The mean over all pixels, however many there are, then a linear layer with bias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The linear layer's name.
    pub name: String,
    /// Features in.
    pub inputs: u32,
    /// Logits out, one for each class.
    pub classes: u32,
}

impl Described for Head {
    fn tensors(&self, tensors: &mut Tensors) {
        let Self { name, inputs, classes } = self;
        tensors.add(format!("{name}.weight"), &[*classes, *inputs], Role::Weight { fan_in: *inputs });
        tensors.add(format!("{name}.bias"), &[*classes], Role::Bias { fan_in: *inputs });
    }

    fn output(&self, _: Shape) -> Shape {
        Shape { channels: self.classes, side: 1 }
    }

    fn rows(&self, _: Shape, rows: &mut Vec<Row>) {
        let [inputs, classes] = [self.inputs, self.classes].map(u64::from);
        rows.push(Row::of_image("AvgPool2d", Shape { channels: self.inputs, side: 1 }, 0));
        rows.push(Row { kind: "Linear", output: vec![classes], parameters: inputs * classes + classes });
    }
}
