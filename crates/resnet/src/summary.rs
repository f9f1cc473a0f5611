//! The table of layers that `cox summary` prints, as the article's `torchsummary` does.

use crate::{Architecture, Shape, Sizes};

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its kind, as PyTorch names it.
    pub kind: &'static str,
    /// The shape of its output for one image, without the batch: channels, height, width, or features alone.
    pub output: Vec<u64>,
    /// Numbers that are trained.
    pub parameters: u64,
}

impl Row {
    /// The row of a layer whose output is an image.
    pub(crate) fn of_image(kind: &'static str, output: Shape, parameters: u64) -> Self {
        let [channels, side] = [output.channels, output.side].map(u64::from);
        Self { kind, output: vec![channels, side, side], parameters }
    }
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
        let Sizes { channels, side, .. } = architecture.sizes();
        let mut rows = Vec::new();
        let mut shape = Shape { channels, side };
        for node in architecture.nodes() {
            node.described().rows(shape, &mut rows);
            shape = node.described().output(shape);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stem;

    #[test]
    fn parameters_as_published() {
        let sizes = Sizes { channels: 3, side: 32, classes: 10 };
        let parameters = |name| Summary::new(&Architecture::named(name, Stem::Small, sizes).unwrap()).parameters();
        assert_eq!(parameters("resnet18"), 11_173_962);
        assert_eq!(parameters("resnet34"), 21_282_122);
        assert_eq!(parameters("resnet50"), 23_520_842);
        assert_eq!(parameters("resnet101"), 42_512_970);
        assert_eq!(parameters("resnet152"), 58_156_618);
        assert_eq!(parameters("resnet20"), 272_474);
    }

    /// `torchvision.models.resnet18()` has 11,689,512 parameters for 1000 classes.
    #[test]
    fn the_large_stem_is_that_of_larger_images() {
        let sizes = Sizes { channels: 3, side: 224, classes: 1000 };
        let summary = Summary::new(&Architecture::named("resnet18", Stem::Large, sizes).unwrap());
        assert_eq!(summary.parameters(), 11_689_512);
        let shapes: Vec<_> = summary.rows[..4].iter().map(|row| (row.kind, row.output[1])).collect();
        assert_eq!(shapes, [("Conv2d", 112), ("BatchNorm2d", 112), ("ReLU", 112), ("MaxPool2d", 56)]);
    }
}
