//! Filters that are made once, for a weight that does not change any more.

use super::{
    correlate::Pack,
    filter::Direction,
    fits_input, fits_weight,
    packed::Aligned,
    shape::TileShape,
    shape_of,
    transform::{POINTS, TAPS},
    with_filters,
};
use crate::{memory::dense, widest::arch};
use tch::{TchError, Tensor};

/// The filters of a weight. They take four times its memory.
#[derive(Debug)]
pub(crate) struct Filters {
    inputs: i64,
    outputs: i64,
    packed: Aligned,
}

impl Filters {
    /// Those of `weight`, if the kernels take any input with it.
    pub fn new(weight: &Tensor, place: (i64, i64)) -> Result<Option<Self>, TchError> {
        if !fits_weight(weight, place) {
            return Ok(None);
        }
        let (outputs, inputs, ..) = weight.size4()?;
        // How many images there are, and how large they are, makes no difference to the filters.
        let shape =
            TileShape { images: 1, height: TAPS, width: TAPS, inputs: inputs as usize, outputs: outputs as usize };
        let pack = Pack { weight: dense(weight, weight.numel())?, shape, direction: Direction::Forward };
        Ok(Some(Self { inputs, outputs, packed: arch().dispatch(pack) }))
    }

    /// What they take of the memory, in bytes.
    pub fn bytes(&self) -> usize {
        POINTS * POINTS * self.inputs as usize * self.outputs as usize * size_of::<f32>()
    }

    /// Whether the kernels take `input`.
    pub fn fit(&self, input: &Tensor) -> bool {
        fits_input(input, self.inputs)
    }

    /// As [`super::forward`], for what they [`Self::fit`].
    pub fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        with_filters(input, &self.packed, shape_of(input, self.outputs))
    }
}
