//! The table of layers that `cox summary` prints, as the article's `torchsummary` does.

use crate::{Architecture, Convolution, Node, Sizes};

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its kind, as PyTorch names it.
    pub kind: &'static str,
    /// The shape of its output for one image, without the batch: channels, height, width, or features alone.
    pub output: Vec<u64>,
    /// Its parameters.
    pub parameters: u64,
}

/// A network's layers and sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The model's name.
    pub model: String,
    /// Values of one image.
    pub input: u64,
    /// The layers, in the order of computation.
    pub rows: Vec<Row>,
}

/// Bytes of an f32.
const FLOAT: f64 = 4.0;
const MIB: f64 = 1024.0 * 1024.0;

impl Summary {
    /// The summary of `architecture` for one image.
    #[must_use]
    pub fn new(architecture: &Architecture) -> Self {
        let mut rows = Vec::new();
        let mut side = u64::from(architecture.sizes().side);
        for node in architecture.nodes() {
            match node {
                Node::Stem(convolution) => side = push_convolution(&mut rows, convolution, side),
                Node::Block { branch, shortcut, .. } => {
                    let before = side;
                    for convolution in branch {
                        side = push_convolution(&mut rows, convolution, side);
                    }
                    if let Some(shortcut) = shortcut {
                        push_convolution(&mut rows, shortcut, before);
                    }
                    let outputs = branch.last().map_or(0, |last| u64::from(last.outputs));
                    let kind = if branch.len() == 2 { "BasicBlock" } else { "Bottleneck" };
                    rows.push(Row { kind, output: vec![outputs, side, side], parameters: 0 });
                }
                Node::Head { inputs, classes, .. } => {
                    let (inputs, classes) = (u64::from(*inputs), u64::from(*classes));
                    rows.push(Row { kind: "AvgPool2d", output: vec![inputs, 1, 1], parameters: 0 });
                    rows.push(Row { kind: "Linear", output: vec![classes], parameters: inputs * classes + classes });
                }
            }
        }
        let Sizes { channels, side, .. } = architecture.sizes();
        let input = u64::from(channels) * u64::from(side) * u64::from(side);
        Self { model: architecture.name().to_owned(), input, rows }
    }

    /// All parameters; all of them are trained.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.rows.iter().map(|row| row.parameters).sum()
    }

    /// MB of one image as f32.
    #[must_use]
    pub fn input_mb(&self) -> f64 {
        self.input as f64 * FLOAT / MIB
    }

    /// MB of the outputs of all layers and of their gradients, for one image as f32.
    #[must_use]
    pub fn activations_mb(&self) -> f64 {
        let elements: u64 = self.rows.iter().map(|row| row.output.iter().product::<u64>()).sum();
        2.0 * elements as f64 * FLOAT / MIB
    }

    /// MB of the parameters as f32.
    #[must_use]
    pub fn parameters_mb(&self) -> f64 {
        self.parameters() as f64 * FLOAT / MIB
    }
}

/// Adds the rows of a convolution, its normalisation and ReLU. Returns the side of their output.
fn push_convolution(rows: &mut Vec<Row>, convolution: &Convolution, side: u64) -> u64 {
    let side = side / u64::from(convolution.stride);
    let (inputs, outputs, kernel) =
        (u64::from(convolution.inputs), u64::from(convolution.outputs), u64::from(convolution.kernel));
    let output = vec![outputs, side, side];
    let parameters = inputs * outputs * kernel * kernel;
    rows.push(Row { kind: "Conv2d", output: output.clone(), parameters });
    rows.push(Row { kind: "BatchNorm2d", output: output.clone(), parameters: 2 * outputs });
    if convolution.relu {
        rows.push(Row { kind: "ReLU", output, parameters: 0 });
    }
    side
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_as_published() {
        let parameters = |name| {
            Summary::new(&Architecture::named(name, Sizes { channels: 3, side: 32, classes: 10 }).unwrap()).parameters()
        };
        assert_eq!(parameters("resnet18"), 11_173_962);
        assert_eq!(parameters("resnet34"), 21_282_122);
        assert_eq!(parameters("resnet50"), 23_520_842);
        assert_eq!(parameters("resnet101"), 42_512_970);
        assert_eq!(parameters("resnet152"), 58_156_618);
        assert_eq!(parameters("resnet20"), 272_474);
    }
}
