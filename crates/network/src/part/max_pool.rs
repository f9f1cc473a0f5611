//! Max pooling.

use super::{Gradient, Kept, Part};
use crate::error::{NetworkError, at};
use operations::MaxPool as Operation;
use plan::Precision;
use tch::Tensor;

#[derive(Debug)]
pub(super) struct MaxPool {
    name: String,
    operation: Operation,
}

/// What it keeps for its backward pass.
struct KeptPool {
    input: Tensor,
    /// Where each output's pixel was.
    indices: Tensor,
}

impl MaxPool {
    pub fn new(described: &resnet::MaxPool) -> Self {
        let operation = Operation { kernel: i64::from(described.kernel), stride: i64::from(described.stride) };
        Self { name: described.name.clone(), operation }
    }
}

impl Part for MaxPool {
    fn infer(&self, x: &Tensor, _: Precision) -> Result<Tensor, NetworkError> {
        self.operation.forward(x).map(|(output, _)| output).map_err(at(&self.name))
    }

    fn forward(&mut self, x: &Tensor, _: Precision) -> Result<(Tensor, Kept), NetworkError> {
        let (output, indices) = self.operation.forward(x).map_err(at(&self.name))?;
        Ok((output, Kept::new(KeptPool { input: x.shallow_clone(), indices })))
    }

    fn backward(
        &self,
        kept: Kept,
        gradient: Gradient,
        input_wanted: bool,
        _: &Tensor,
    ) -> Result<Option<Gradient>, NetworkError> {
        if !input_wanted {
            return Ok(None);
        }
        let KeptPool { input, indices } = kept.take()?;
        let of_input = gradient.sum().and_then(|sum| self.operation.backward(&sum, &input, &indices));
        Ok(Some(Gradient::of(of_input.map_err(at(&self.name))?)))
    }

    fn first_parameter(&self) -> Option<i64> {
        None
    }
}
