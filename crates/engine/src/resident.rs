//! The training set in the device's own memory. In each step the device is told which samples to take and how they
//! look, some bytes a sample. It makes the batch itself, with the same bits as [`data::Batches::training`].

use crate::error::EngineError;
use crate::hardware::Hardware;
use crate::shard::to_device_async;
use data::{Augmentations, Axis, Dataset, ImageShape, Normaliser};
use tch::{Kind, TchError, Tensor, no_grad};

/// A data set on a device.
#[derive(Debug)]
pub struct Resident {
    hardware: Hardware,
    shape: ImageShape,
    /// u8, the bytes of all images, each by channel, row and column. A black image follows the last.
    pixels: Tensor,
    /// i64, the classes.
    labels: Tensor,
    /// f32, the normalised value of every byte, by channel.
    values: Tensor,
    /// i64, where the planes of an image begin.
    planes: Tensor,
    /// i64, where the values of a channel begin.
    channels: Tensor,
    /// Where the black image begins.
    black: i64,
}

/// How many values a byte has.
const BYTES: i64 = 256;

impl Resident {
    /// Copies `data` to the device of `hardware`.
    ///
    /// # Errors
    /// If the device has no memory for it.
    pub fn new(data: &Dataset, hardware: Hardware) -> Result<Self, EngineError> {
        let shape = data.spec().shape;
        let mut pixels = Vec::with_capacity((data.len() + 1) * shape.len());
        let mut labels = Vec::with_capacity(data.len());
        for index in 0..data.len() {
            pixels.extend_from_slice(data.pixels(index));
            labels.push(i64::from(data.label(index)));
        }
        let black = pixels.len() as i64;
        pixels.resize(pixels.len() + shape.len(), 0);
        let values = Normaliser::new(data.spec()).values().concat();
        let plane = i64::from(shape.height) * i64::from(shape.width);
        let multiples = |of: i64| (0..i64::from(shape.channels)).map(|channel| channel * of).collect::<Vec<_>>();
        let copy = |tensor: Result<Tensor, TchError>| {
            tensor
                .and_then(|tensor| tensor.f_to_device(hardware.device()))
                .map_err(EngineError::torch("copy the data set"))
        };
        Ok(Self {
            hardware,
            shape,
            pixels: copy(Tensor::f_from_slice(&pixels))?,
            labels: copy(Tensor::f_from_slice(&labels))?,
            values: copy(Tensor::f_from_slice(&values))?,
            planes: copy(Tensor::f_from_slice(&multiples(plane)))?,
            channels: copy(Tensor::f_from_slice(&multiples(BYTES)))?,
            black,
        })
    }

    /// The samples `indices` as they look under `augment` in `epoch` of a run with `seed`. Images are `[n, channels,
    /// height, width]` in f32 with channels last in memory; labels are `[n]` in i64.
    ///
    /// # Errors
    /// If libtorch fails, for example for want of memory.
    pub fn batch(
        &self,
        augment: &Augmentations,
        (seed, epoch): (u64, u32),
        indices: &[u32],
    ) -> Result<(Tensor, Tensor), EngineError> {
        no_grad(|| self.make(augment, (seed, epoch), indices)).map_err(EngineError::torch("make a batch"))
    }

    /// Tells the device where each sample's rows begin and which columns they have. A place in the padding is told as
    /// one beyond all images, which the device takes from the black image. So few operations are needed: for a small
    /// model each costs more than what it does.
    fn make(
        &self,
        augment: &Augmentations,
        (seed, epoch): (u64, u32),
        indices: &[u32],
    ) -> Result<(Tensor, Tensor), TchError> {
        let (height, width) = (self.shape.height as usize, self.shape.width as usize);
        let terms = 1 + height + width;
        let mut plan: Vec<i64> = Vec::with_capacity(indices.len() * terms);
        for &index in indices {
            let look = augment.look(seed, epoch, index, self.shape);
            let first = i64::from(index) * self.shape.len() as i64;
            let places = |axis: &Axis, count: usize, first: i64, step: usize| {
                let place = |source: usize| first + (source * step) as i64;
                (0..count).map(|at| axis.source_of(at).map_or(self.black, place)).collect::<Vec<_>>()
            };
            plan.push(i64::from(index));
            plan.extend(places(&look.rows, height, first, width));
            plan.extend(places(&look.columns, width, 0, 1));
        }
        let plan = Tensor::f_from_slice(&plan)?.f_view([indices.len() as i64, terms as i64])?;
        let plan = to_device_async(&plan, self.hardware)?;
        let rows = plan.f_narrow(1, 1, height as i64)?.f_unsqueeze(2)?;
        let columns = plan.f_narrow(1, 1 + height as i64, width as i64)?.f_unsqueeze(1)?;
        let offsets = rows.f_add(&columns)?.f_clamp_max_(self.black)?;
        let bytes = self.pixels.f_take(&offsets.f_unsqueeze(3)?.f_add(&self.planes)?)?;
        let values = bytes.f_to_kind(Kind::Int64)?.f_add_(&self.channels)?;
        let images = self.values.f_take(&values)?.f_permute([0, 3, 1, 2])?;
        let labels = self.labels.f_index_select(0, &plan.f_select(1, 0)?)?;
        Ok((images, labels))
    }
}
