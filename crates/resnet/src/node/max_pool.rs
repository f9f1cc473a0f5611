//! Max pooling.

use super::{Described, Shape, shrunk};
use crate::{Row, layout::Tensors};

/// The largest of the pixels under a square window. Half a window of nothing is on every side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxPool {
    /// The module's name, such as `features.3`.
    pub name: String,
    /// Side of the window, which is odd.
    pub kernel: u32,
    /// Pixels from one output to the next, along both axes.
    pub stride: u32,
}

impl Described for MaxPool {
    fn tensors(&self, _: &mut Tensors) {}

    fn output(&self, input: Shape) -> Shape {
        Shape { side: shrunk(input.side, self.stride), ..input }
    }

    fn rows(&self, input: Shape, rows: &mut Vec<Row>) {
        rows.push(Row::of_image("MaxPool2d", self.output(input), 0));
    }
}
