//! Batches made ahead of the step that wants them, on a thread of their own.

use crate::engine::EngineError;
use cifar::{Dataset, IMAGE_BYTES, train_batch};
use std::{
    ops::Range,
    sync::{Arc, mpsc},
    thread,
};

/// Batches that are ready before they are wanted.
const AHEAD: usize = 2;

/// A batch on its way to the device.
#[derive(Debug, Default)]
pub struct Batch {
    /// `n` x 32 x 32 x 3: channels last, cropped, flipped, normalised.
    pub pixels: Vec<f32>,
    /// `n` classes.
    pub labels: Vec<i64>,
}

/// The batches of one stretch of training, in order.
#[derive(Debug)]
pub struct Input {
    batches: mpsc::Receiver<Batch>,
    spare: mpsc::SyncSender<Batch>,
}

impl Input {
    /// Starts to make the batches of `ranges`, which are places in `order`, the order of samples of `epoch`.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn start(
        data: Arc<Dataset>,
        order: Arc<[u32]>,
        seed: u64,
        epoch: u32,
        ranges: impl Iterator<Item = Range<usize>> + Send + 'static,
    ) -> Result<Self, EngineError> {
        let (ready, batches) = mpsc::sync_channel(AHEAD);
        // One more is being made, one is being used.
        let (spare, used) = mpsc::sync_channel::<Batch>(AHEAD + 2);
        let work = move || {
            for range in ranges {
                let mut batch = used.try_recv().unwrap_or_default();
                batch.pixels.resize(range.len() * IMAGE_BYTES, 0.0);
                batch.labels.resize(range.len(), 0);
                train_batch(&data, seed, epoch, &order[range], &mut batch.pixels, &mut batch.labels);
                // The stretch was broken off.
                if ready.send(batch).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("input".to_owned()).spawn(work).map_err(EngineError::thread("input"))?;
        Ok(Self { batches, spare })
    }

    /// The next batch; it is to be given back.
    ///
    /// # Errors
    /// If there was none left to make.
    pub fn take(&mut self) -> Result<Batch, EngineError> {
        self.batches.recv().map_err(|_| EngineError::OutOfOrder {
            order: "take a batch".to_owned(),
            state: "all batches of this stretch were taken".to_owned(),
        })
    }

    /// Its memory serves a later batch.
    pub fn give_back(&self, batch: Batch) {
        // At the end of a stretch nobody needs it.
        let _ = self.spare.try_send(batch);
    }
}
