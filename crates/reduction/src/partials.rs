//! The partial sums of this worker, as it goes through its shards.

use crate::{bucket::Bucket, error::ReductionError};
use plan::PartialSums;
use tch::{Device, Tensor, no_grad};

/// The vector of the current shard, and the sums of the shards before it.
#[derive(Debug)]
pub(crate) struct Partials {
    /// The vector that backward passes write to.
    vector: Tensor,
    /// Whether `vector` holds a shard that is not in `stack` yet.
    pending: bool,
    /// Which subtrees the partial sums of this step cover.
    sums: PartialSums,
    /// The partial sums but the pending one, from the bottom.
    stack: Vec<Tensor>,
    /// Buffers for `stack`, to be used again.
    spare: Vec<Tensor>,
    /// To how many entries at the top of the stack the current shard's vector is added.
    merges: usize,
}

impl Partials {
    /// No partial sums yet. Backward passes write to `vector`, and `spare` are buffers for the sums.
    pub fn new(vector: Tensor, spare: Vec<Tensor>) -> Self {
        Self { vector, pending: false, sums: PartialSums::default(), stack: Vec::new(), spare, merges: 0 }
    }

    /// Where the vectors are.
    pub fn device(&self) -> Device {
        self.vector.device()
    }

    /// The vector that `shard` is to be written to. What it held before is kept.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn begin(&mut self, shard: u32) -> Result<Tensor, ReductionError> {
        if self.pending {
            let mut buffer = match self.spare.pop() {
                Some(buffer) => buffer,
                None => self.vector.f_empty_like().map_err(ReductionError::torch("allocate a partial sum"))?,
            };
            no_grad(|| buffer.f_copy_(&self.vector)).map_err(ReductionError::torch("keep a partial sum"))?;
            self.stack.push(buffer);
        }
        self.pending = true;
        self.merges = self.sums.push(shard);
        Ok(self.vector.shallow_clone())
    }

    /// Adds the current shard's vector to the top entries of the stack, in one bucket.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn merge(&self, bucket: &Bucket) -> Result<(), ReductionError> {
        no_grad(|| {
            let mut right = bucket.of(&self.vector)?;
            bucket.round(&mut right)?;
            for left in self.stack.iter().rev().take(self.merges) {
                let mut left = bucket.of(left)?;
                let _ = left.f_add_(&right)?;
                bucket.round(&mut left)?;
                right = left;
            }
            Ok(())
        })
        .map_err(ReductionError::torch("add partial sums"))
    }

    /// Frees the buffers that [`Self::merge`] has added to others, in all buckets.
    pub fn drop_merged(&mut self) {
        if self.merges == 0 {
            return;
        }
        let kept = self.stack.len() + 1 - self.merges;
        self.spare.extend(self.stack.drain(kept..));
        self.pending = false;
    }

    /// The partial sums of a bucket, once the worker's last shard is merged.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn parts(&self, bucket: &Bucket) -> Result<Vec<Tensor>, ReductionError> {
        let stack = match self.merges {
            0 => &self.stack[..],
            merges => &self.stack[..self.stack.len() + 1 - merges],
        };
        let pending = (self.merges == 0).then_some(&self.vector);
        stack
            .iter()
            .chain(pending)
            .map(|part| bucket.of(part))
            .collect::<Result<_, _>>()
            .map_err(ReductionError::torch("take partial sums"))
    }

    /// The first partial sum. It is the whole sum where there is one worker.
    pub fn first(&self) -> Tensor {
        self.stack.first().unwrap_or(&self.vector).shallow_clone()
    }

    /// Begins anew. The buffers are kept.
    pub fn clear(&mut self) {
        self.spare.append(&mut self.stack);
        self.sums = PartialSums::default();
        self.pending = false;
    }
}
