//! The memory of a network, and its tensors by name.

use crate::error::{NetworkError, at};
use resnet::Layout;
use tch::{TchError, Tensor};

/// The flat buffers of a model, in f32 on one device.
#[derive(Debug, Clone, Copy)]
pub struct Buffers<'a> {
    /// `layout.parameters()`.
    pub parameters: &'a Tensor,
    /// `layout.statistics()`: running means and variances.
    pub running: &'a Tensor,
    /// Laid out as `running`. A forward pass in training writes mean and unbiased variance of each normalisation's
    /// batch here.
    pub batch: &'a Tensor,
}

/// Where a tensor lies in its flat buffer.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub offset: i64,
    pub shape: Vec<i64>,
}

impl Place {
    /// This tensor's part of `flat`.
    pub fn of(&self, flat: &Tensor) -> Result<Tensor, TchError> {
        flat.f_narrow(0, self.offset, self.shape.iter().product())?.f_view(&self.shape[..])
    }
}

/// Finds tensors of the buffers by name.
pub(crate) struct Views<'a> {
    pub layout: &'a Layout,
    pub buffers: Buffers<'a>,
}

impl Views<'_> {
    /// Where the tensor `name` lies.
    pub fn place(&self, name: &str) -> Result<Place, NetworkError> {
        let entry = self.layout.entries().iter().find(|entry| entry.name == name).ok_or_else(|| NetworkError {
            operation: name.to_owned(),
            source: TchError::Torch("the layout has no such tensor".to_owned()),
        })?;
        Ok(Place { offset: entry.offset as i64, shape: entry.shape.clone() })
    }

    /// The part of the flat parameters at `place`. An error names `layer`.
    pub fn parameter(&self, place: &Place, layer: &str) -> Result<Tensor, NetworkError> {
        place.of(self.buffers.parameters).map_err(at(layer))
    }

    /// A running statistic, and what a batch makes of it.
    pub fn statistic(&self, place: &Place, layer: &str) -> Result<[Tensor; 2], NetworkError> {
        let Buffers { running, batch, .. } = self.buffers;
        Ok([place.of(running).map_err(at(layer))?, place.of(batch).map_err(at(layer))?])
    }
}
