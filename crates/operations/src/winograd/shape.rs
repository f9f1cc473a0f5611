//! The tiles of a batch.

use super::transform::OUTPUTS;
use pulp::Simd;

/// A batch, and the channels that a convolution makes of those it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TileShape {
    pub images: usize,
    pub height: usize,
    pub width: usize,
    pub inputs: usize,
    pub outputs: usize,
}

/// A tile of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    pub image: usize,
    /// Of its first row.
    pub top: usize,
    /// Of its first column.
    pub left: usize,
}

impl TileShape {
    pub fn tiles(self) -> usize {
        self.images * (self.height / OUTPUTS) * (self.width / OUTPUTS)
    }

    pub fn tile(self, index: usize) -> Tile {
        let across = self.width / OUTPUTS;
        let of_image = across * (self.height / OUTPUTS);
        let (image, index) = (index / of_image, index % of_image);
        Tile { image, top: index / across * OUTPUTS, left: index % across * OUTPUTS }
    }

    /// Values of an image in `channels` channels.
    pub fn image(self, channels: usize) -> usize {
        self.height * self.width * channels
    }

    /// Registers of inputs and of outputs.
    pub fn registers<S: Simd>(self) -> (usize, usize) {
        (self.inputs / S::F32_LANES, self.outputs / S::F32_LANES)
    }

    /// The other way round, for the gradient of the input.
    pub fn reversed(self) -> Self {
        Self { inputs: self.outputs, outputs: self.inputs, ..self }
    }
}
