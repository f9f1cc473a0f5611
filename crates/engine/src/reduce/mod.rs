//! The sum of all shards' vectors, in the one fixed tree (`plan::additions`), while the backward pass still runs.
//!
//! A worker adds up the aligned subtrees that it owns while it goes through its shards. The vector is cut into buckets.
//! One is sent as soon as the backward pass of the worker's last shard has filled it. An all-to-all brings slice `i` of
//! everyone's partial sums to rank `i`, which finishes the tree for that slice. An all-gather returns the result. That is
//! as many bytes as a ring all-reduce sends. The order of every addition is fixed, whatever the buckets and whoever adds.
//! Workers of one machine do the same without sending anything ([`shared`]).

mod agree;
mod bucket;
mod shared;
mod stalls;
mod sum;
mod tree;

pub use sum::Sum;

use crate::control::Control;
use crate::error::EngineError;
use crate::profile::{Profile, StepPhase};
use agree::share;
use bucket::Bucket;
use nccl_rs::{ProcessGroup, Work};
use operations::Mark;
use plan::{PartialSums, Reduction, Wire, additions, block, subtrees};
use shared::{Shared, Sizes};
use stalls::Stalls;
use std::{
    ops::Range,
    time::{Duration, Instant},
};
use tch::{Device, Kind, Tensor, no_grad};
use tree::Tree;

/// The longest that a collective may take. The coordinator sees all workers, so it judges who is too slow. This only
/// keeps abandoned collectives from living for ever. It is above the group's own limit, whatever the failure time-out.
const LIMIT: Duration = Duration::from_hours(4);
/// Elements of a bucket: few enough that the first bucket is sent early, and enough to outweigh latency.
const BUCKET: Range<usize> = 1 << 16..1 << 20;
/// The same on a GPU, where the start of every collective and addition costs as much as many elements. For comparison,
/// c10d's `DistributedDataParallel` has buckets of 25 MB (6.5 million elements), and a first one of 1 MB.
const BUCKET_ON_A_GPU: Range<usize> = 1 << 18..1 << 22;
/// Buckets of gradients to aim for. The limits of a bucket's size come first.
const BUCKETS: usize = 8;
/// All-to-alls that may be under way before the first is waited for. Every rank must start the same collectives in the
/// same order. So when to start an all-gather cannot depend on what has arrived.
const LAG: usize = 4;

/// What decides how vectors are reduced, the same on every worker.
#[derive(Debug, Clone, Copy)]
pub struct ReducerOptions {
    /// In the fixed tree, or as the backend likes.
    pub reduction: Reduction,
    /// The format of numbers on the wire.
    pub wire: Wire,
    /// Logical shards of a step.
    pub shards: u32,
    /// Elements of the vector that are gradients; they come first.
    pub gradients: usize,
    /// Elements of the vector in all.
    pub len: usize,
    /// Where this worker is, if it is willing to share memory. Workers at the same place may share it.
    pub place: Option<u64>,
}

/// The reduction of one generation. It owns its buffers, as an abandoned collective may still read them.
#[derive(Debug)]
pub struct Reducer {
    generation: u64,
    options: ReducerOptions,
    group: Option<ProcessGroup>,
    /// The shards that this worker computes.
    shards: Range<u32>,
    tree: Tree,
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
    /// In the order in which the backward pass fills them.
    buckets: Vec<Bucket>,
    /// How many buckets are on their way.
    started: usize,
    /// What went wrong while the backward pass ran.
    failure: Option<EngineError>,
    /// The reduced vector, if there are several workers.
    gathered: Tensor,
    /// How long this step's reduction made the device wait for others, over the network.
    stalls: Stalls,
    /// How long this step's backward pass stood still for the reduction, over the network.
    within: Stalls,
    /// The same, in shared memory.
    advanced: Duration,
    /// When the first bucket of this step was sent.
    began: Option<Mark>,
    /// The memory that all ranks share, if all are on one machine. Dropped last: the vectors above are in it.
    shared: Option<Shared>,
}

impl Reducer {
    /// The reduction for one rank of `group` in `generation`; `group` is `None` for a single worker.
    ///
    /// # Errors
    /// If memory cannot be had, another worker is gone, or `control` ends the generation.
    pub fn new(
        generation: u64,
        group: Option<ProcessGroup>,
        options: ReducerOptions,
        device: Device,
        control: &Control,
    ) -> Result<Self, EngineError> {
        let (rank, world) = group.as_ref().map_or((0, 1), |group| (group.rank(), group.world_size()));
        let layout: Vec<Vec<_>> = (0..world).map(|rank| subtrees(block(options.shards, world, rank))).collect();
        let tree = Tree { counts: layout.iter().map(Vec::len).collect(), additions: additions(&layout.concat()) };
        let bucket = if operations::is_processors(device) { BUCKET } else { BUCKET_ON_A_GPU };
        let ranges = cut(options.gradients, options.len, world as usize, bucket);
        let sizes = Sizes::new(options.len, options.shards, &tree.counts);
        let shared = match &group {
            Some(group) if operations::is_processors(device) && options.reduction == Reduction::Tree => {
                share(generation, group, &sizes, options.place, control)?
            }
            _ => None,
        };
        // The backward pass writes to one; the others keep partial sums.
        let mut spare = shared.as_ref().map(Shared::own_buffers).unwrap_or_default();
        let zeros = || {
            Tensor::f_zeros([options.len as i64], (Kind::Float, device))
                .map_err(EngineError::torch("allocate the reduction"))
        };
        Ok(Self {
            generation,
            shards: block(options.shards, world, rank),
            tree,
            vector: spare.pop().map_or_else(zeros, Ok)?,
            pending: false,
            sums: PartialSums::default(),
            stack: Vec::new(),
            spare,
            merges: 0,
            buckets: ranges
                .into_iter()
                .map(|(range, is_gradient)| Bucket::new(range, is_gradient && options.wire == Wire::Bf16))
                .collect(),
            started: 0,
            failure: None,
            stalls: Stalls::new(device),
            within: Stalls::new(device),
            advanced: Duration::ZERO,
            began: None,
            gathered: shared.as_ref().map_or_else(zeros, |shared| Ok(shared.own_sums().shallow_clone()))?,
            shared,
            group,
            options,
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
        self.shared.is_some()
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
    pub fn begin_shard(&mut self, shard: u32) -> Result<Tensor, EngineError> {
        if self.pending {
            let mut buffer = match self.spare.pop() {
                Some(buffer) => buffer,
                None => self.vector.f_empty_like().map_err(EngineError::torch("allocate a partial sum"))?,
            };
            no_grad(|| buffer.f_copy_(&self.vector)).map_err(EngineError::torch("keep a partial sum"))?;
            self.stack.push(buffer);
        }
        self.pending = true;
        self.merges = self.sums.push(shard);
        Ok(self.vector.shallow_clone())
    }

    /// Says that the vector is final from element `from` on. If `shard` is this worker's last, the buckets there are
    /// sent at once. An error is reported by [`Self::end_shard`].
    pub fn filled(&mut self, shard: u32, from: usize, control: &Control) {
        control.beat();
        if shard + 1 != self.shards.end || self.failure.is_some() {
            return;
        }
        while let Some(bucket) = self.buckets.get(self.started)
            && bucket.range.start >= from
        {
            if let Err(error) = self.start_next(control) {
                self.failure = Some(error);
                return;
            }
        }
        if let Some(shared) = &mut self.shared {
            let start = Instant::now();
            self.failure = shared.advance(&self.buckets, &self.tree).err();
            self.advanced += start.elapsed();
        }
    }

    /// Adds the vector of `shard` to the partial sums, once it is final.
    ///
    /// # Errors
    /// If another worker is gone, `control` ends the generation, or libtorch fails.
    pub fn end_shard(&mut self, shard: u32, control: &Control) -> Result<(), EngineError> {
        self.filled(shard, 0, control);
        if shard + 1 == self.shards.end {
            return self.failure.take().map_or(Ok(()), Err);
        }
        let merges = self.merges;
        for bucket in 0..self.buckets.len() {
            self.merge(bucket, merges)?;
        }
        self.drop_merged(merges);
        Ok(())
    }

    /// The sum over all shards of all workers, once all of this worker's are in.
    ///
    /// # Errors
    /// If another worker is gone, or `control` ends the generation.
    pub fn finish(&mut self, control: &Control) -> Result<Sum, EngineError> {
        let sum = match &mut self.shared {
            Some(shared) => Sum::of_pieces(shared.finish(&self.buckets, &self.tree, control)?),
            None => Sum::whole(self.finish_collectives(control)?),
        };
        self.spare.append(&mut self.stack);
        self.sums = PartialSums::default();
        self.pending = false;
        self.started = 0;
        Ok(sum)
    }

    /// Releases the sum: its owner may overwrite the memory.
    ///
    /// # Errors
    /// None that is known; the memory is there.
    pub fn release(&mut self) -> Result<(), EngineError> {
        self.shared.as_mut().map_or(Ok(()), |shared| shared.release(self.buckets.len()))
    }

    fn finish_collectives(&mut self, control: &Control) -> Result<Tensor, EngineError> {
        for bucket in self.buckets.len().saturating_sub(LAG)..self.buckets.len() {
            self.gather(bucket, control)?;
        }
        for bucket in &mut self.buckets {
            bucket.end(&self.gathered, |work| self.stalls.around(|| wait(work, self.generation, control)))?;
        }
        Ok(match (&self.group, self.stack.first()) {
            (Some(_), _) => self.gathered.shallow_clone(),
            (None, Some(first)) => first.shallow_clone(),
            (None, None) => self.vector.shallow_clone(),
        })
    }

    /// Adds up this worker's part of the next bucket, and sends it.
    fn start_next(&mut self, control: &Control) -> Result<(), EngineError> {
        let index = self.started;
        self.merge(index, self.merges)?;
        let parts = self.parts(index)?;
        if self.began.is_none() {
            self.began = Some(Mark::now(self.vector.device()).map_err(EngineError::torch("begin a reduction"))?);
        }
        if let Some(shared) = &self.shared {
            shared.fill(index, &parts)?;
            self.started += 1;
            return Ok(());
        }
        let bucket = &mut self.buckets[index];
        no_grad(|| match &self.group {
            None => bucket.finish_alone(parts, &self.tree),
            Some(group) if self.options.reduction == Reduction::Ring => {
                bucket.all_reduce(group, &parts, &self.gathered)
            }
            Some(group) => bucket.exchange(group, &parts, &self.tree),
        })?;
        self.started += 1;
        if let Some(earlier) = index.checked_sub(LAG) {
            let start = self.within.begin()?;
            self.gather(earlier, control)?;
            self.within.end(start)?;
        }
        Ok(())
    }

    /// Sorts the time of the step's reduction into phases of `profile`, and forgets it. Time inside the backward pass
    /// counts as exposed, the time beside it as hidden. Time that slower workers took counts as waiting. The device has
    /// to have reached `finished`, the end of the reduction.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn trace(&mut self, finished: &Mark, profile: &mut Profile) -> Result<(), EngineError> {
        let within = self.within.take()? + std::mem::take(&mut self.advanced);
        profile.transfer(StepPhase::Backward, StepPhase::Exposed, within);
        let lagged = self.shared.as_mut().map(Shared::take_lagged).unwrap_or_default();
        profile.transfer(StepPhase::Exposed, StepPhase::Waiting, lagged);
        if let Some(began) = self.began.take()
            && self.group.is_some()
        {
            let length = began.until(finished).map_err(EngineError::torch("measure a reduction"))?;
            profile.add(StepPhase::Hidden, &began, length.saturating_sub(within))?;
        }
        Ok(())
    }

    /// How long the device stood still for other workers in the step that is over. It is 0 in shared memory.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn stalled(&mut self) -> Result<Duration, EngineError> {
        self.stalls.take()
    }

    /// Finishes the tree for this rank's slice of a bucket and sends the result on its way.
    fn gather(&mut self, bucket: usize, control: &Control) -> Result<(), EngineError> {
        let Some(group) = &self.group else { return Ok(()) };
        let wait = |work| self.stalls.around(|| wait(work, self.generation, control));
        no_grad(|| self.buckets[bucket].gather(group, &self.tree, &self.gathered, wait))
    }

    /// Adds the pending vector to the top `merges` entries of the stack, in one bucket.
    fn merge(&self, bucket: usize, merges: usize) -> Result<(), EngineError> {
        let bucket = &self.buckets[bucket];
        no_grad(|| {
            let mut right = bucket.of(&self.vector)?;
            bucket.round(&mut right)?;
            for left in self.stack.iter().rev().take(merges) {
                let mut left = bucket.of(left)?;
                let _ = left.f_add_(&right)?;
                bucket.round(&mut left)?;
                right = left;
            }
            Ok(())
        })
        .map_err(EngineError::torch("add partial sums"))
    }

    /// Frees the buffers that [`Self::merge`] has added to others.
    fn drop_merged(&mut self, merges: usize) {
        if merges == 0 {
            return;
        }
        let kept = self.stack.len() + 1 - merges;
        self.spare.extend(self.stack.drain(kept..));
        self.pending = false;
    }

    /// This worker's partial sums of a bucket, once its last shard is merged.
    fn parts(&self, bucket: usize) -> Result<Vec<Tensor>, EngineError> {
        let bucket = &self.buckets[bucket];
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
            .map_err(EngineError::torch("take partial sums"))
    }

    /// Overwrites `tensor` with that of rank `root`.
    ///
    /// # Errors
    /// If another worker is gone, or `control` ends the generation.
    pub fn broadcast(&self, tensor: &Tensor, root: u32, control: &Control) -> Result<(), EngineError> {
        match &self.group {
            Some(group) => wait(group.broadcast(tensor, root)?, self.generation, control),
            None => Ok(()),
        }
    }
}

fn wait(work: Work, generation: u64, control: &Control) -> Result<(), EngineError> {
    Ok(control.while_waiting(|| work.wait_unless(LIMIT, || control.is_aborted(generation)))?)
}

/// The ranges of the buckets, in the order in which a backward pass fills them, and whether they hold gradients. First
/// comes what is no gradient. Then come the gradients, from the last to the first. A piece of them has a size within
/// `bucket`, rounded up so that `world` ranks share it evenly. The last piece may be smaller.
fn cut(gradients: usize, len: usize, world: usize, bucket: Range<usize>) -> Vec<(Range<usize>, bool)> {
    let size = (gradients / BUCKETS).clamp(bucket.start, bucket.end).next_multiple_of(world);
    let mut ranges = vec![(gradients..len, false)];
    let mut end = gradients;
    while end > 0 {
        let start = end.saturating_sub(size);
        ranges.push((start..end, true));
        end = start;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_the_whole_vector_from_its_end() {
        for (gradients, len, world) in [(272_474, 273_858, 2), (11_173_962, 11_183_566, 3), (10, 14, 4)] {
            let ranges = cut(gradients, len, world, BUCKET);
            let mut end = len;
            for (range, is_gradient) in ranges {
                assert_eq!((range.end, is_gradient), (end, range.start < gradients));
                assert!(!range.is_empty());
                end = range.start;
            }
            assert_eq!(end, 0);
        }
    }
}
