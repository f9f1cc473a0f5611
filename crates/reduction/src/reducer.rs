//! The reduction of one generation: one step after the other, from the first shard to the sum.

use crate::{
    agree::share, bucket::Bucket, collectives::Collectives, cut::cut, error::ReductionError, memory::Memory,
    options::ReducerOptions, partials::Partials, shared::Shared, sizes::Sizes, sum::Sum, supervisor::Supervisor,
    times::Times, tree::Tree, wait::wait,
};
use nccl_rs::ProcessGroup;
use operations::Mark;
use plan::{Reduction, Wire, additions, block, subtrees};
use std::{ops::Range, time::Duration};
use tch::{Kind, Tensor, no_grad};

/// How the partial sums of all workers come together.
#[derive(Debug)]
enum Way {
    /// There is one worker.
    Alone,
    /// Over the network.
    Network(Collectives),
    /// In memory that all ranks share. Only broadcasts need the group.
    Shared { group: ProcessGroup, shared: Box<Shared> },
}

/// The reduction of one generation. It owns its buffers, as an abandoned collective may still read them.
#[derive(Debug)]
pub struct Reducer {
    generation: u64,
    /// The shards that this worker computes.
    shards: Range<u32>,
    tree: Tree,
    partials: Partials,
    /// In the order in which the backward pass fills them.
    buckets: Vec<Bucket>,
    /// How many buckets are on their way.
    started: usize,
    /// What went wrong while the backward pass ran.
    failure: Option<ReductionError>,
    /// When the first bucket of this step was sent.
    began: Option<Mark>,
    /// Dropped last: where memory is shared, the vectors above are in it.
    way: Way,
}

impl Reducer {
    /// The reduction for one rank of `group` in `generation`; `group` is `None` for a single worker. The vectors are in
    /// `memory`.
    ///
    /// # Errors
    /// If memory cannot be had, another worker is gone, or `supervisor` ends the generation.
    pub fn new(
        generation: u64,
        group: Option<ProcessGroup>,
        options: ReducerOptions,
        memory: &Memory,
        supervisor: &impl Supervisor,
    ) -> Result<Self, ReductionError> {
        let (rank, world) = group.as_ref().map_or((0, 1), |group| (group.rank(), group.world_size()));
        let layout: Vec<Vec<_>> = (0..world).map(|rank| subtrees(block(options.shards, world, rank))).collect();
        let tree = Tree { counts: layout.iter().map(Vec::len).collect(), additions: additions(&layout.concat()) };
        let ranges = cut(options.gradients, options.len, world as usize, &memory.bucket);
        let sizes = Sizes::new(options.len, options.shards, &tree.counts);
        let shared = match &group {
            Some(group) if memory.shareable && options.reduction == Reduction::Tree => {
                share(generation, group, &sizes, options.place, supervisor)?
            }
            _ => None,
        };
        let zeros = || {
            Tensor::f_zeros([options.len as i64], (Kind::Float, memory.device))
                .map_err(ReductionError::torch("allocate the reduction"))
        };
        // The backward pass writes to one; the others keep partial sums.
        let mut spare = shared.as_ref().map(Shared::own_buffers).unwrap_or_default();
        let vector = spare.pop().map_or_else(zeros, Ok)?;
        Ok(Self {
            generation,
            shards: block(options.shards, world, rank),
            tree,
            partials: Partials::new(vector, spare),
            buckets: ranges
                .into_iter()
                .map(|(range, is_gradient)| Bucket::new(range, is_gradient && options.wire == Wire::Bf16))
                .collect(),
            started: 0,
            failure: None,
            began: None,
            way: match (group, shared) {
                (None, _) => Way::Alone,
                (Some(group), Some(shared)) => Way::Shared { group, shared: Box::new(shared) },
                (Some(group), None) => Way::Network(Collectives::new(generation, group, options.reduction, zeros()?)),
            },
        })
    }

    /// The generation that it reduces for.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether all ranks reduce in memory that they share.
    #[must_use]
    pub fn shares_memory(&self) -> bool {
        matches!(self.way, Way::Shared { .. })
    }

    /// The shards that this worker computes, in order.
    #[must_use]
    pub fn shards(&self) -> Range<u32> {
        self.shards.clone()
    }

    /// The vector that `shard` is to be written to. All of it has to be written: it holds what the last shard left.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn begin_shard(&mut self, shard: u32) -> Result<Tensor, ReductionError> {
        self.partials.begin(shard)
    }

    /// Says that the vector is final from element `from` on. If `shard` is this worker's last, the buckets there are
    /// sent at once. An error is reported by [`Self::end_shard`].
    pub fn filled(&mut self, shard: u32, from: usize, supervisor: &impl Supervisor) {
        supervisor.beat();
        if shard + 1 != self.shards.end || self.failure.is_some() {
            return;
        }
        while let Some(bucket) = self.buckets.get(self.started)
            && bucket.range.start >= from
        {
            if let Err(error) = self.start_next(supervisor) {
                self.failure = Some(error);
                return;
            }
        }
        if let Way::Shared { shared, .. } = &mut self.way {
            self.failure = shared.advance_within(&self.buckets, &self.tree).err();
        }
    }

    /// Adds the vector of `shard` to the partial sums, once it is final.
    ///
    /// # Errors
    /// If another worker is gone, `supervisor` ends the generation, or libtorch fails.
    pub fn end_shard(&mut self, shard: u32, supervisor: &impl Supervisor) -> Result<(), ReductionError> {
        self.filled(shard, 0, supervisor);
        if shard + 1 == self.shards.end {
            return self.failure.take().map_or(Ok(()), Err);
        }
        self.buckets.iter().try_for_each(|bucket| self.partials.merge(bucket))?;
        self.partials.drop_merged();
        Ok(())
    }

    /// The sum over all shards of all workers, once all of this worker's are in.
    ///
    /// # Errors
    /// If another worker is gone, or `supervisor` ends the generation.
    pub fn finish(&mut self, supervisor: &impl Supervisor) -> Result<Sum, ReductionError> {
        let sum = match &mut self.way {
            Way::Alone => Sum::whole(self.partials.first()),
            Way::Network(collectives) => Sum::whole(collectives.finish(&mut self.buckets, &self.tree, supervisor)?),
            Way::Shared { shared, .. } => Sum::of_pieces(shared.finish(&self.buckets, &self.tree, supervisor)?),
        };
        self.partials.clear();
        self.started = 0;
        Ok(sum)
    }

    /// Releases the sum: its owner may overwrite the memory.
    ///
    /// # Errors
    /// None that is known; the memory is there.
    pub fn release(&mut self) -> Result<(), ReductionError> {
        match &mut self.way {
            Way::Shared { shared, .. } => shared.release(self.buckets.len()),
            Way::Alone | Way::Network(_) => Ok(()),
        }
    }

    /// Adds up this worker's part of the next bucket, and sends it.
    fn start_next(&mut self, supervisor: &impl Supervisor) -> Result<(), ReductionError> {
        let bucket = &mut self.buckets[self.started];
        self.partials.merge(bucket)?;
        let parts = self.partials.parts(bucket)?;
        if self.began.is_none() {
            self.began = Some(Mark::now(self.partials.device()).map_err(ReductionError::torch("begin a reduction"))?);
        }
        match &self.way {
            Way::Alone => no_grad(|| bucket.finish_alone(parts, &self.tree))?,
            Way::Network(collectives) => collectives.start(bucket, &parts, &self.tree)?,
            Way::Shared { shared, .. } => shared.fill(self.started, &parts)?,
        }
        self.started += 1;
        match &self.way {
            Way::Network(collectives) => collectives.follow(&mut self.buckets[..self.started], &self.tree, supervisor),
            Way::Alone | Way::Shared { .. } => Ok(()),
        }
    }

    /// Where the time of the step's reduction went. It is taken, so that the next step begins anew. The device has to
    /// have reached `finished`, the end of the reduction.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn take_times(&mut self, finished: &Mark) -> Result<Times, ReductionError> {
        let began = self.began.take();
        let (within, lagged) = match &mut self.way {
            Way::Alone => return Ok(Times { within: Duration::ZERO, lagged: Duration::ZERO, beside: None }),
            Way::Network(collectives) => (collectives.take_within()?, Duration::ZERO),
            Way::Shared { shared, .. } => (shared.take_within(), shared.take_lagged()),
        };
        let mut times = Times { within, lagged, beside: None };
        if let Some(began) = began {
            let length = began.until(finished).map_err(ReductionError::torch("measure a reduction"))?;
            times.beside = Some((began, length.saturating_sub(within)));
        }
        Ok(times)
    }

    /// How long the device stood still for other workers in the step that is over. It is 0 in shared memory.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn stalled(&mut self) -> Result<Duration, ReductionError> {
        match &self.way {
            Way::Network(collectives) => collectives.take_stalled(),
            Way::Alone | Way::Shared { .. } => Ok(Duration::ZERO),
        }
    }

    /// Overwrites `tensor` with that of rank `root`.
    ///
    /// # Errors
    /// If another worker is gone, or `supervisor` ends the generation.
    pub fn broadcast(&self, tensor: &Tensor, root: u32, supervisor: &impl Supervisor) -> Result<(), ReductionError> {
        match &self.way {
            Way::Alone => Ok(()),
            Way::Network(Collectives { group, .. }) | Way::Shared { group, .. } => {
                wait(group.broadcast(tensor, root)?, self.generation, supervisor)
            }
        }
    }
}
