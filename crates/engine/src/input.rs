//! The batches of a stretch of training. A thread of its own makes them ahead of the step that wants them. A device
//! that has the data set in its own memory makes them itself.

use crate::error::EngineError;
use crate::hardware::Hardware;
use crate::resident::Resident;
use crate::shard::to_device;
use data::{Augmentations, Batches, Dataset, ImageShape};
use std::{
    fmt,
    ops::Range,
    rc::Rc,
    sync::{Arc, mpsc},
    thread,
};
use tch::Tensor;

/// Batches that are made ahead.
const AHEAD: usize = 2;

/// Which samples a stretch of training goes through.
pub struct Samples {
    /// The epoch's order of samples.
    pub order: Arc<[u32]>,
    /// The run's seed.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u32,
    /// The run's augmentations.
    pub augment: Augmentations,
    /// The places in `order` of each batch.
    pub ranges: Box<dyn Iterator<Item = Range<usize>> + Send>,
}

impl fmt::Debug for Samples {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Samples").field("seed", &self.seed).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// A batch on its way to the device.
#[derive(Debug, Default)]
struct Batch {
    /// `n` images: channels last, augmented, normalised.
    pixels: Vec<f32>,
    /// `n` classes.
    labels: Vec<i64>,
}

/// The batches of one stretch of training, in order.
#[derive(Debug)]
pub struct BatchFeed(Feed);

#[derive(Debug)]
enum Feed {
    Ahead { batches: mpsc::Receiver<Batch>, spare: mpsc::SyncSender<Batch>, shape: ImageShape, hardware: Hardware },
    Resident(ResidentFeed),
}

/// A device that makes batches itself.
#[derive(Debug)]
struct ResidentFeed {
    data: Rc<Resident>,
    samples: Samples,
    /// A batch that the device has begun and nobody has taken.
    next: Option<(Tensor, Tensor)>,
}

impl ResidentFeed {
    /// Begins the next batch, if none is begun and one is left. Returns whether it did.
    fn prepare(&mut self) -> Result<bool, EngineError> {
        if self.next.is_some() {
            return Ok(false);
        }
        let Self { data, samples, next } = self;
        let Some(range) = samples.ranges.next() else { return Ok(false) };
        *next = Some(data.batch(&samples.augment, (samples.seed, samples.epoch), &samples.order[range])?);
        Ok(true)
    }
}

impl BatchFeed {
    /// Starts to make the batches of `samples`, for the device of `hardware`.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn ahead(data: Arc<Dataset>, samples: Samples, hardware: Hardware) -> Result<Self, EngineError> {
        let (ready, batches) = mpsc::sync_channel(AHEAD);
        // One more is being made, one is being used.
        let (spare, used) = mpsc::sync_channel::<Batch>(AHEAD + 2);
        let shape = data.spec().shape;
        let work = move || {
            let Samples { order, seed, epoch, augment, ranges } = samples;
            let batches = Batches::new(&data, augment);
            for range in ranges {
                let mut batch = used.try_recv().unwrap_or_default();
                batch.pixels.resize(range.len() * shape.len(), 0.0);
                batch.labels.resize(range.len(), 0);
                batches.training(&data, (seed, epoch), &order[range], &mut batch.pixels, &mut batch.labels);
                // The stretch was broken off.
                if ready.send(batch).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("input".to_owned()).spawn(work).map_err(EngineError::thread("input"))?;
        Ok(Self(Feed::Ahead { batches, spare, shape, hardware }))
    }

    /// The batches of `samples` from a data set on the device.
    #[must_use]
    pub fn resident(data: Rc<Resident>, samples: Samples) -> Self {
        Self(Feed::Resident(ResidentFeed { data, samples, next: None }))
    }

    /// The next batch on the device: images `[n, channels, height, width]` with channels last in memory, and labels.
    ///
    /// # Errors
    /// If there was none left to make, or libtorch fails.
    pub fn take(&mut self) -> Result<(Tensor, Tensor), EngineError> {
        let none_left = || EngineError::OutOfOrder {
            order: "take a batch".to_owned(),
            state: "all batches of this stretch were taken".to_owned(),
        };
        match &mut self.0 {
            Feed::Ahead { batches, spare, shape, hardware } => {
                let batch = batches.recv().map_err(|_| none_left())?;
                let tensors = to_device(&batch.pixels, &batch.labels, *shape, *hardware);
                // The memory serves a later batch; at the end of a stretch nobody needs it.
                let _ = spare.try_send(batch);
                tensors
            }
            Feed::Resident(feed) => {
                feed.prepare()?;
                feed.next.take().ok_or_else(none_left)
            }
        }
    }

    /// Makes a device begin the next batch while it is busy with earlier work. Returns whether it began one.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn prepare(&mut self) -> Result<bool, EngineError> {
        match &mut self.0 {
            Feed::Ahead { .. } => Ok(false),
            Feed::Resident(feed) => feed.prepare(),
        }
    }
}
