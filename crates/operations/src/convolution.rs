//! Convolution and its gradients.

use crate::{columns, ffi, progress, winograd};
use tch::{TchError, Tensor};

/// A square convolution without bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Of both axes.
    pub stride: i64,
    /// Zeros on every side.
    pub padding: i64,
}

impl Convolution {
    /// `[n, inputs, h, w]` to `[n, outputs, h / stride, w / stride]`, with channels last in memory if `input` has them
    /// so. `weight` is `[outputs, inputs, k, k]`.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory.
    pub fn forward(self, input: &Tensor, weight: &Tensor) -> Result<Tensor, TchError> {
        if winograd::fits(input, weight, (self.stride, self.padding)) {
            return winograd::forward(input, weight);
        }
        if columns::fits_output(input, weight, self.stride) {
            return columns::output(input, weight, (self.stride, self.padding));
        }
        self.direct(input, weight)
    }

    /// As [`Self::forward`], by libtorch's own convolution.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory.
    pub fn direct(self, input: &Tensor, weight: &Tensor) -> Result<Tensor, TchError> {
        channels_last(input.f_conv2d(weight, None::<&Tensor>, [self.stride; 2], [self.padding; 2], [1, 1], 1)?)
    }

    /// The gradients of input (if it is wanted) and weight, from that of the output.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn backward(
        self,
        gradient: &Tensor,
        input: &Tensor,
        weight: &Tensor,
        input_wanted: bool,
    ) -> Result<(Option<Tensor>, Tensor), TchError> {
        if winograd::fits(input, weight, (self.stride, self.padding)) {
            return winograd::backward(gradient, input, weight, input_wanted);
        }
        let place = (self.stride, self.padding);
        let by_product =
            [input_wanted && columns::fits_input(gradient, weight, place), columns::fits_weight(gradient, weight)];
        let wanted = [input_wanted && !by_product[0], !by_product[1]];
        let [mut of_input, mut of_weight] = match wanted {
            [false, false] => [None, None],
            _ => self.libtorch(gradient, input, weight, wanted)?,
        };
        progress::beat();
        if by_product[0] {
            of_input = Some(columns::input_gradient(gradient, weight, self.padding)?);
        }
        if by_product[1] {
            of_weight = Some(columns::weight_gradient(gradient, input, weight, place)?);
        }
        Ok((of_input, of_weight.ok_or_else(no_weight_gradient)?))
    }
    /// As [`Self::backward`], by libtorch's own convolution.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn direct_backward(
        self,
        gradient: &Tensor,
        input: &Tensor,
        weight: &Tensor,
        input_wanted: bool,
    ) -> Result<(Option<Tensor>, Tensor), TchError> {
        let [of_input, of_weight] = self.libtorch(gradient, input, weight, [input_wanted, true])?;
        Ok((of_input, of_weight.ok_or_else(no_weight_gradient)?))
    }

    /// The gradients of input and weight that are `wanted`.
    fn libtorch(
        self,
        gradient: &Tensor,
        input: &Tensor,
        weight: &Tensor,
        wanted: [bool; 2],
    ) -> Result<[Option<Tensor>; 2], TchError> {
        let [of_input, of_weight] =
            ffi::convolution_backward(gradient, input, weight, (self.stride, self.padding), wanted)?;
        Ok([of_input.map(channels_last).transpose()?, of_weight])
    }
}

fn no_weight_gradient() -> TchError {
    TchError::Torch("convolution_backward gave no gradient of the weight".to_owned())
}

/// `tensor`, `[n, c, h, w]`, with channels last in memory: itself, where it is so already.
fn channels_last(tensor: Tensor) -> Result<Tensor, TchError> {
    let pixels = tensor.f_permute([0, 2, 3, 1])?;
    if pixels.is_contiguous() { Ok(tensor) } else { pixels.f_contiguous()?.f_permute([0, 3, 1, 2]) }
}
