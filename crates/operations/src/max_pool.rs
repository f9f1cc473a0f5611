//! Max pooling and its gradient.

use crate::is_processors;
use tch::{TchError, Tensor};

/// The largest of the pixels under a square window. Half a window of nothing is on every side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool {
    /// Side of the window, which is odd.
    pub kernel: i64,
    /// Of both axes.
    pub stride: i64,
}

impl MaxPool {
    fn padding(self) -> i64 {
        self.kernel / 2
    }

    /// `[n, c, h, w]` to `[n, c, h / stride, w / stride]`, rounded up, and where each output was in its image: the row
    /// times `w`, plus the column.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory.
    pub fn forward(self, input: &Tensor) -> Result<(Tensor, Tensor), TchError> {
        let [kernel, stride, padding] = [self.kernel, self.stride, self.padding()].map(|size| [size; 2]);
        input.f_max_pool2d_with_indices(kernel, stride, padding, [1, 1], false)
    }

    /// The gradient of the input, from that of the output.
    ///
    /// On a GPU, libtorch adds up what pixels of several windows get in no fixed order. So it is not asked there.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory.
    pub fn backward(self, gradient: &Tensor, input: &Tensor, indices: &Tensor) -> Result<Tensor, TchError> {
        if is_processors(input.device()) {
            let [kernel, stride, padding] = [self.kernel, self.stride, self.padding()].map(|size| [size; 2]);
            return input.f_max_pool2d_with_indices_backward(gradient, kernel, stride, padding, [1, 1], false, indices);
        }
        self.by_place(gradient, input, indices)
    }

    /// The same, one place of the window after the other. Within one, no pixel gets two gradients. Images are wider than a
    /// window: then no place past an edge has the index of a pixel.
    fn by_place(self, gradient: &Tensor, input: &Tensor, indices: &Tensor) -> Result<Tensor, TchError> {
        let Self { kernel, stride, .. } = self;
        let ([_, _, height, width], [_, _, rows, columns]) = (dims(input)?, dims(gradient)?);
        let padding = self.padding();
        // The window of the last output may end past the padding on that side.
        let padded = |outputs: i64, side: i64| ((outputs - 1) * stride + kernel).max(side + 2 * padding);
        let (tall, wide) = (padded(rows, height), padded(columns, width));
        let options = (gradient.kind(), gradient.device());
        let of_padded =
            Tensor::f_zeros([gradient.size()[0], tall, wide, gradient.size()[1]], options)?.f_permute([0, 3, 1, 2])?;
        let first = |count: i64| Tensor::f_arange(count, (tch::Kind::Int64, gradient.device()));
        // Where the window of each output begins, as `indices` has it.
        let top = first(rows)?.f_mul_scalar(stride)?.f_sub_scalar(padding)?.f_view([rows, 1])?;
        let left = first(columns)?.f_mul_scalar(stride)?.f_sub_scalar(padding)?.f_view([1, columns])?;
        for (row, column) in (0..kernel).flat_map(|row| (0..kernel).map(move |column| (row, column))) {
            let place = top.f_add_scalar(row)?.f_mul_scalar(width)?.f_add(&left.f_add_scalar(column)?)?;
            let taken = indices.f_eq_tensor(&place)?;
            let mut target = of_padded.f_slice(2, row, row + (rows - 1) * stride + 1, stride)?.f_slice(
                3,
                column,
                column + (columns - 1) * stride + 1,
                stride,
            )?;
            let _ = target.f_add_(&gradient.f_mul(&taken)?)?;
        }
        of_padded
            .f_slice(2, padding, padding + height, 1)?
            .f_slice(3, padding, padding + width, 1)?
            .f_permute([0, 2, 3, 1])?
            .f_contiguous()?
            .f_permute([0, 3, 1, 2])
    }
}

fn dims(tensor: &Tensor) -> Result<[i64; 4], TchError> {
    let size = tensor.size();
    size.try_into().map_err(|size| TchError::Torch(format!("a pooling takes four dimensions, not {size:?}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use tch::{Device, Kind};

    /// Whole numbers, so that the order of additions does not matter.
    #[test]
    fn gradients_are_libtorchs_on_either_way() {
        for (side, kind) in [(8, Kind::Float), (9, Kind::Float), (16, Kind::BFloat16)] {
            let images = |side: i64| {
                let values = Tensor::randint(7, [2, side, side, 16], (Kind::Float, Device::Cpu));
                values.to_kind(kind).permute([0, 3, 1, 2])
            };
            let pool = MaxPool { kernel: 3, stride: 2 };
            let input = images(side);
            let (output, indices) = pool.forward(&input).unwrap();
            assert_eq!(output.size()[2], (side + 1) / 2);
            let gradient = images((side + 1) / 2);
            let of_the_processor = pool.backward(&gradient, &input, &indices).unwrap();
            let by_place = pool.by_place(&gradient, &input, &indices).unwrap();
            assert_eq!(by_place, of_the_processor, "{side}");
        }
    }
}
