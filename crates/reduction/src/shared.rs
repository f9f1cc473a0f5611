//! The reduction among workers of one machine: each reads the others' partial sums where they are. Nothing is sent,
//! nobody else runs for it, and collectives need no order. A bucket is finished as soon as all ranks have filled it.
//!
//! Rank `i` finishes the tree for slice `i` of a bucket, in the memory of those who filled it. Only the result of the
//! last addition goes to its own memory. From there all ranks read it. Who may touch what when:
//!
//! - A slice of a partial sum is its owner's until the owner counts the bucket as filled. Then it is rank `i`'s until
//!   that rank counts the bucket as summed. An owner begins its next step only when all ranks have counted all buckets
//!   as summed.
//! - A slice of a sum is rank `i`'s until that rank counts the bucket as summed. Then all ranks read it, until each has
//!   counted the step as used. Rank `i` begins to add in the next step only when all have.

use crate::{
    bucket::Bucket,
    error::ReductionError,
    sizes::{Counter, Sizes},
    supervisor::Supervisor,
    tree::Tree,
};
use shared_memory::{Segment, Ticket};
use std::{
    ops::Range,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};
use tch::{Device, Kind, TchError, Tensor, no_grad};

/// The pause between two looks at how far the others are.
const LOOK: Duration = Duration::from_micros(50);
/// The time between two checks that the others live.
const SIGN_OF_LIFE: Duration = Duration::from_millis(100);

/// The memory that all ranks share, and how far the reduction there is.
#[derive(Debug)]
pub(crate) struct Shared {
    rank: usize,
    sizes: Sizes,
    /// By rank, the vectors for partial sums.
    buffers: Vec<Vec<Tensor>>,
    /// By rank, the vector in which its slices of the sums are. This rank's has all of the first bucket, too.
    sums: Vec<Tensor>,
    /// Buckets of all steps before this one.
    base: u64,
    /// Buckets of this step of which this rank has finished its slice.
    summed: usize,
    /// How long this step's backward pass stood still for the reduction.
    within: Duration,
    /// Time of this step in which this rank had nothing to do, as others had not filled their buckets yet.
    lagged: Duration,
    generation: u64,
    /// Dropped last: all tensors are views of it.
    segment: Segment,
}

impl Shared {
    /// Makes the memory. The ticket tells the others where it is.
    pub fn create(generation: u64, sizes: Sizes) -> Result<(Self, Ticket), ReductionError> {
        let (segment, ticket) = Segment::create(sizes.shape())?;
        Ok((Self::new(generation, 0, sizes, segment)?, ticket))
    }

    /// Opens the memory that rank 0 has made.
    pub fn open(generation: u64, rank: usize, sizes: Sizes, ticket: Ticket) -> Result<Self, ReductionError> {
        let segment = Segment::open(ticket, sizes.shape())?;
        Self::new(generation, rank, sizes, segment)
    }

    fn new(generation: u64, rank: usize, sizes: Sizes, segment: Segment) -> Result<Self, ReductionError> {
        segment.hold(rank as u32)?;
        let mut vectors = (0..).map(|index| view(&segment, sizes.vector(index), sizes.len));
        let mut buffers = Vec::new();
        let mut sums = Vec::new();
        for count in &sizes.buffers {
            buffers.push(vectors.by_ref().take(*count).collect::<Result<Vec<_>, _>>()?);
            sums.extend(vectors.next().transpose()?);
        }
        let (within, lagged) = (Duration::ZERO, Duration::ZERO);
        Ok(Self { rank, sizes, buffers, sums, base: 0, summed: 0, within, lagged, generation, segment })
    }

    /// This rank's vectors for partial sums.
    pub fn own_buffers(&self) -> Vec<Tensor> {
        self.buffers[self.rank].iter().map(Tensor::shallow_clone).collect()
    }

    fn count(&self, rank: usize, counter: Counter) -> Result<u64, ReductionError> {
        Ok(self.segment.counter(self.sizes.counter(rank, counter))?.load(Ordering::Acquire))
    }

    fn set(&self, counter: Counter, value: u64) -> Result<(), ReductionError> {
        self.segment.counter(self.sizes.counter(self.rank, counter))?.store(value, Ordering::Release);
        Ok(())
    }

    /// Says that this rank's parts of the bucket `index` are final. `parts` are views of its own vectors.
    pub fn fill(&self, index: usize, parts: &[Tensor]) -> Result<(), ReductionError> {
        for (place, part) in parts.iter().enumerate() {
            let at = |tensor: &Tensor| tensor.data_ptr() as usize;
            let offset = |buffer: &Tensor| at(part).wrapping_sub(at(buffer)) / size_of::<f32>();
            let buffer = self.buffers[self.rank].iter().position(|buffer| offset(buffer) < self.sizes.len);
            let buffer = buffer.ok_or(ReductionError::NotShared)?;
            self.segment.counter(self.sizes.place(self.rank, place))?.store(buffer as u64, Ordering::Relaxed);
        }
        self.set(Counter::Filled, self.base + index as u64 + 1)
    }

    /// Whether every rank has counted to `value`.
    fn all(&self, counter: Counter, value: u64) -> Result<bool, ReductionError> {
        for rank in 0..self.sizes.buffers.len() {
            if self.count(rank, counter)? < value {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Finishes what it can while the backward pass stands still.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn advance_within(&mut self, buckets: &[Bucket], tree: &Tree) -> Result<(), ReductionError> {
        let start = Instant::now();
        let result = self.advance(buckets, tree);
        self.within += start.elapsed();
        result
    }

    /// Finishes this rank's slices of the buckets that all have filled, without waiting for any.
    fn advance(&mut self, buckets: &[Bucket], tree: &Tree) -> Result<(), ReductionError> {
        while let Some(bucket) = buckets.get(self.summed)
            && self.all(Counter::Filled, self.base + self.summed as u64 + 1)?
            && self.all(Counter::Used, self.base)?
        {
            self.sum(bucket, tree)?;
            self.summed += 1;
            self.set(Counter::Summed, self.base + self.summed as u64)?;
        }
        Ok(())
    }

    /// Finishes the tree for this rank's slice of a bucket.
    fn sum(&self, bucket: &Bucket, tree: &Tree) -> Result<(), ReductionError> {
        let mine = bucket.share(self.rank, self.buffers.len());
        let mut parts = Vec::with_capacity(tree.parts());
        for (rank, count) in self.sizes.parts.iter().enumerate() {
            for part in 0..*count {
                let vector = self.segment.counter(self.sizes.place(rank, part))?.load(Ordering::Relaxed) as usize;
                let whole = self.buffers[rank].get(vector).ok_or(ReductionError::NoVector { rank, vector })?;
                parts.push(narrow(whole, &mine).map_err(ReductionError::torch("find a partial sum"))?);
            }
        }
        let output = narrow(&self.sums[self.rank], &mine).map_err(ReductionError::torch("find the sum"))?;
        no_grad(|| bucket.finish_tree_into(&mut parts, tree, output)).map_err(ReductionError::torch("finish the tree"))
    }

    /// Waits until all slices of all buckets are summed, and copies those of the first bucket together. Returns the
    /// pieces of the sum, each with its place in the vector.
    pub fn finish(
        &mut self,
        buckets: &[Bucket],
        tree: &Tree,
        supervisor: &impl Supervisor,
    ) -> Result<Vec<(Range<usize>, Tensor)>, ReductionError> {
        self.advance(buckets, tree)?;
        if !self.all(Counter::Summed, self.base + buckets.len() as u64)? {
            supervisor.while_waiting(|| self.wait(buckets, tree, supervisor))?;
        }
        self.pieces(buckets).map_err(ReductionError::torch("take the sum"))
    }

    fn pieces(&self, buckets: &[Bucket]) -> Result<Vec<(Range<usize>, Tensor)>, TchError> {
        let world = self.buffers.len();
        let mut pieces = Vec::with_capacity(buckets.len() * world);
        let Some((first, rest)) = buckets.split_first() else { return Ok(pieces) };
        for rank in (0..world).filter(|rank| *rank != self.rank) {
            let range = first.share(rank, world);
            let mut own = narrow(&self.sums[self.rank], &range)?;
            no_grad(|| own.f_copy_(&narrow(&self.sums[rank], &range)?))?;
        }
        pieces.push((first.range.clone(), narrow(&self.sums[self.rank], &first.range)?));
        for bucket in rest {
            for (rank, sums) in self.sums.iter().enumerate() {
                let range = bucket.share(rank, world);
                if !range.is_empty() {
                    let piece = narrow(sums, &range)?;
                    pieces.push((range, piece));
                }
            }
        }
        Ok(pieces)
    }

    fn wait(&mut self, buckets: &[Bucket], tree: &Tree, supervisor: &impl Supervisor) -> Result<(), ReductionError> {
        let mut looked = Instant::now();
        while !self.all(Counter::Summed, self.base + buckets.len() as u64)? {
            if supervisor.is_aborted(self.generation) {
                return Err(ReductionError::Aborted { generation: self.generation });
            }
            if looked.elapsed() > SIGN_OF_LIFE {
                self.see_that_all_live()?;
                looked = Instant::now();
            }
            let start = Instant::now();
            let lagging = !self.all(Counter::Filled, self.base + buckets.len() as u64)?;
            thread::sleep(LOOK);
            if lagging {
                self.lagged += start.elapsed();
            }
            self.advance(buckets, tree)?;
        }
        Ok(())
    }

    /// How long the backward pass stood still in this step. It is taken: the next call returns 0.
    pub fn take_within(&mut self) -> Duration {
        std::mem::take(&mut self.within)
    }

    /// The time of this step that was spent waiting for slower ranks. It is taken: the next call returns 0.
    pub fn take_lagged(&mut self) -> Duration {
        std::mem::take(&mut self.lagged)
    }

    /// Says that this rank has used the sum, which had this many `buckets`.
    pub fn release(&mut self, buckets: usize) -> Result<(), ReductionError> {
        self.base += buckets as u64;
        self.summed = 0;
        self.set(Counter::Used, self.base)
    }

    fn see_that_all_live(&self) -> Result<(), ReductionError> {
        for rank in (0..self.buffers.len()).filter(|rank| *rank != self.rank) {
            if !self.segment.is_held(rank as u32)? {
                return Err(ReductionError::Gone { rank: rank as u32 });
            }
        }
        Ok(())
    }
}

fn narrow(tensor: &Tensor, range: &Range<usize>) -> Result<Tensor, TchError> {
    tensor.f_narrow(0, range.start as i64, range.len() as i64)
}

/// `len` floats of the segment, from `offset` on, as a tensor.
fn view(segment: &Segment, offset: usize, len: usize) -> Result<Tensor, ReductionError> {
    let floats = segment.floats(offset, len)?;
    // SAFETY: the floats are there as long as the segment is held. They are aligned: a page plus a multiple of 4 KiB.
    // `Shared` drops its own views before the segment. The views that it hands out have two users. One is the thread
    // that runs the reducer, in the step in progress. The other is the reducer, which holds the `Shared`.
    unsafe { Tensor::f_from_blob(floats.cast(), &[len as i64], &[1], Kind::Float, Device::Cpu) }
        .map_err(ReductionError::torch("use shared memory"))
}
