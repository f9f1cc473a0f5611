//! The training set in the device's own memory. A step sends it which samples and how to crop them, some bytes each, and
//! the device makes the batch: the same bits as [`cifar::train_batch`].

use crate::error::EngineError;
use crate::shard::to_device_async;
use cifar::{Augment, CHANNELS, Dataset, IMAGE_BYTES, PADDING, SIDE, normalise_image};
use tch::{Device, Kind, TchError, Tensor, no_grad};

/// A data set on a device.
#[derive(Debug)]
pub struct Resident {
    /// u8, the bytes of all images, each by channel, row and column.
    pixels: Tensor,
    /// i64, the classes.
    labels: Tensor,
    /// f32, the normalised value of every byte.
    values: Tensor,
}

impl Resident {
    /// Copies `data` to `device`.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn new(data: &Dataset, device: Device) -> Result<Self, EngineError> {
        let mut pixels = Vec::with_capacity(data.len() * IMAGE_BYTES);
        let mut labels = Vec::with_capacity(data.len());
        for index in 0..data.len() {
            pixels.extend_from_slice(data.pixels(index));
            labels.push(i64::from(data.label(index)));
        }
        // An image of all bytes there are, and zeros.
        let mut bytes = [0; IMAGE_BYTES];
        (0..=u8::MAX).zip(&mut bytes).for_each(|(byte, place)| *place = byte);
        let mut values = vec![0.0; IMAGE_BYTES];
        normalise_image(&bytes, &mut values);
        let copy = |tensor: Result<Tensor, TchError>| {
            tensor.and_then(|tensor| tensor.f_to_device(device)).map_err(EngineError::torch("copy the data set"))
        };
        Ok(Self {
            pixels: copy(Tensor::f_from_slice(&pixels))?,
            labels: copy(Tensor::f_from_slice(&labels))?,
            values: copy(Tensor::f_from_slice(&values[..256]))?,
        })
    }

    /// The samples `indices`, cropped and flipped as `seed` and `epoch` have it: images `[n, 3, 32, 32]` in f32 with
    /// channels last in memory, and labels.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory.
    pub fn batch(&self, seed: u64, epoch: u32, indices: &[u32]) -> Result<(Tensor, Tensor), EngineError> {
        no_grad(|| self.make(seed, epoch, indices)).map_err(EngineError::torch("make a batch"))
    }

    fn make(&self, seed: u64, epoch: u32, indices: &[u32]) -> Result<(Tensor, Tensor), TchError> {
        let device = self.pixels.device();
        let (side, samples) = (SIDE as i64, indices.len() as i64);
        let plan: Vec<i64> = indices
            .iter()
            .flat_map(|&index| {
                let Augment { top, left, flip } = Augment::draw(seed, epoch, index);
                [i64::from(index), i64::from(top), i64::from(left), i64::from(flip)]
            })
            .collect();
        let plan = to_device_async(&Tensor::f_from_slice(&plan)?.f_view([samples, 4])?, device)?;
        let column = |at: i64| plan.f_select(1, at)?.f_unsqueeze(1);
        let (index, top, left, flip) = (column(0)?, column(1)?, column(2)?, column(3)?);
        let places = Tensor::f_arange(side, (Kind::Int64, device))?.f_unsqueeze(0)?;
        let rows = places.f_add(&top)?.f_sub_scalar(PADDING as i64)?;
        // Mirrored: `x + flip * (side - 1 - 2 * x)`.
        let mirror = places.f_mul_scalar(-2)?.f_add_scalar(side - 1)?;
        let columns = places.f_add(&mirror.f_mul(&flip)?)?.f_add(&left)?.f_sub_scalar(PADDING as i64)?;
        let within = |places: &Tensor| places.f_ge(0)?.f_logical_and(&places.f_lt(side)?);
        let inside = within(&rows)?.f_unsqueeze(2)?.f_logical_and(&within(&columns)?.f_unsqueeze(1)?)?;
        let rows = rows.f_clamp(0, side - 1)?.f_mul_scalar(side)?.f_unsqueeze(2)?;
        let columns = columns.f_clamp(0, side - 1)?.f_unsqueeze(1)?;
        let images = index.f_mul_scalar(IMAGE_BYTES as i64)?.f_unsqueeze(2)?;
        let offsets = images.f_add(&rows)?.f_add(&columns)?.f_unsqueeze(3)?;
        let channels = Tensor::f_arange(CHANNELS as i64, (Kind::Int64, device))?.f_mul_scalar(side * side)?;
        let bytes = self.pixels.f_take(&offsets.f_add(&channels)?)?.f_to_kind(Kind::Int64)?;
        // Padding is black before it is normalised.
        let bytes = bytes.f_mul(&inside.f_unsqueeze(3)?)?;
        let images = self.values.f_take(&bytes)?.f_permute([0, 3, 1, 2])?;
        let labels = self.labels.f_index_select(0, &plan.f_select(1, 0)?)?;
        Ok((images, labels))
    }
}
