//! The training set in the device's own memory. A step sends it which samples and how to crop them, some bytes each, and
//! the device makes the batch: the same bits as [`cifar::train_batch`].

use crate::error::EngineError;
use crate::shard::to_device_async;
use cifar::{Augment, CHANNELS, Dataset, IMAGE_BYTES, PADDING, SIDE, normalise_image};
use tch::{Device, Kind, TchError, Tensor, no_grad};

/// A data set on a device.
#[derive(Debug)]
pub struct Resident {
    /// u8, the bytes of all images, each by channel, row and column. A black image follows the last.
    pixels: Tensor,
    /// i64, the classes.
    labels: Tensor,
    /// f32, the normalised value of every byte.
    values: Tensor,
    /// i64, where the planes of an image begin.
    planes: Tensor,
    /// Where the black image begins.
    black: i64,
}

impl Resident {
    /// Copies `data` to `device`.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn new(data: &Dataset, device: Device) -> Result<Self, EngineError> {
        let mut pixels = Vec::with_capacity((data.len() + 1) * IMAGE_BYTES);
        let mut labels = Vec::with_capacity(data.len());
        for index in 0..data.len() {
            pixels.extend_from_slice(data.pixels(index));
            labels.push(i64::from(data.label(index)));
        }
        let black = pixels.len() as i64;
        pixels.resize(pixels.len() + IMAGE_BYTES, 0);
        // An image of all bytes there are, and zeros.
        let mut bytes = [0; IMAGE_BYTES];
        (0..=u8::MAX).zip(&mut bytes).for_each(|(byte, place)| *place = byte);
        let mut values = vec![0.0; IMAGE_BYTES];
        normalise_image(&bytes, &mut values);
        let copy = |tensor: Result<Tensor, TchError>| {
            tensor.and_then(|tensor| tensor.f_to_device(device)).map_err(EngineError::torch("copy the data set"))
        };
        let planes: Vec<i64> = (0..CHANNELS).map(|channel| (channel * SIDE * SIDE) as i64).collect();
        Ok(Self {
            pixels: copy(Tensor::f_from_slice(&pixels))?,
            labels: copy(Tensor::f_from_slice(&labels))?,
            values: copy(Tensor::f_from_slice(&values[..256]))?,
            planes: copy(Tensor::f_from_slice(&planes))?,
            black,
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

    /// Of every sample the processor tells the device where its rows begin and which columns they have. A place of the padding
    /// is told as one beyond all images, which the device takes from the black image. So it takes few operations: for a small
    /// model each costs more than what it does.
    fn make(&self, seed: u64, epoch: u32, indices: &[u32]) -> Result<(Tensor, Tensor), TchError> {
        let device = self.pixels.device();
        let samples = indices.len() as i64;
        let mut plan: Vec<i64> = Vec::with_capacity(indices.len() * (1 + 2 * SIDE));
        for &index in indices {
            let Augment { top, left, flip } = Augment::draw(seed, epoch, index);
            let inside = |place: usize, first: u8| {
                (place + usize::from(first)).checked_sub(PADDING).filter(|source| *source < SIDE)
            };
            let first = i64::from(index) * IMAGE_BYTES as i64;
            plan.push(i64::from(index));
            let row = |row: usize| (row * SIDE) as i64 + first;
            plan.extend((0..SIDE).map(|y| inside(y, top).map_or(self.black, row)));
            let mirrored = |x: usize| if flip { SIDE - 1 - x } else { x };
            plan.extend((0..SIDE).map(|x| inside(mirrored(x), left).map_or(self.black, |column| column as i64)));
        }
        let plan = to_device_async(&Tensor::f_from_slice(&plan)?.f_view([samples, 1 + 2 * SIDE as i64])?, device)?;
        let rows = plan.f_narrow(1, 1, SIDE as i64)?.f_unsqueeze(2)?;
        let columns = plan.f_narrow(1, 1 + SIDE as i64, SIDE as i64)?.f_unsqueeze(1)?;
        let offsets = rows.f_add(&columns)?.f_clamp_max_(self.black)?;
        let bytes = self.pixels.f_take(&offsets.f_unsqueeze(3)?.f_add(&self.planes)?)?;
        let images = self.values.f_take(&bytes.f_to_kind(Kind::Int64)?)?.f_permute([0, 3, 1, 2])?;
        let labels = self.labels.f_index_select(0, &plan.f_select(1, 0)?)?;
        Ok((images, labels))
    }
}
