//! The sum of all shards' vectors, in the one fixed tree (`plan::additions`).
//!
//! A worker adds up the aligned subtrees that it owns while it goes through its shards. Then an all-to-all brings slice
//! `i` of all partial sums to rank `i`, which finishes the tree for that slice, and an all-gather returns the result:
//! as many bytes as a ring all-reduce, with the order of every addition fixed.

use crate::engine::{Control, EngineError};
use nccl_rs::ProcessGroup;
use plan::{PartialSums, Reduction, additions, block, subtrees};
use std::{ops::Range, time::Duration};
use tch::{Device, Kind, Tensor, no_grad};

/// How long a collective may take at most. Whether a worker is too slow is for the coordinator to judge, which sees all
/// of them; this only keeps abandoned collectives from living for ever.
const LIMIT: Duration = Duration::from_mins(30);

/// The reduction of one generation. Its buffers are its own: a collective that was abandoned may still read them.
#[derive(Debug)]
pub struct Reducer {
    generation: u64,
    reduction: Reduction,
    group: Option<ProcessGroup>,
    /// The shards that this worker computes.
    shards: Range<u32>,
    /// Parts that each rank brings.
    counts: Vec<usize>,
    /// The additions that finish the tree over the parts of all ranks.
    additions: Vec<(usize, usize)>,
    /// Elements that each rank finishes.
    slice: usize,
    /// The vector that backward passes write to, padded to whole slices.
    vector: Tensor,
    /// Whether `vector` holds a shard that is not in `stack` yet.
    pending: bool,
    /// The shards gone through in this step.
    sums: PartialSums,
    /// The partial sums but the pending one, from the bottom.
    stack: Vec<Tensor>,
    /// Buffers for `stack`, to be used again.
    spare: Vec<Tensor>,
    gathered: Tensor,
}

impl Reducer {
    /// The reduction of vectors of `len` elements for `rank` of `world_size` in `generation`; `group` is `None` for a
    /// single worker. The run has `shards` shards.
    ///
    /// # Errors
    /// If memory cannot be had.
    pub fn new(
        generation: u64,
        group: Option<ProcessGroup>,
        reduction: Reduction,
        shards: u32,
        len: usize,
        device: Device,
    ) -> Result<Self, EngineError> {
        let (rank, world) = group.as_ref().map_or((0, 1), |group| (group.rank(), group.world_size()));
        let layout: Vec<Vec<_>> = (0..world).map(|rank| subtrees(block(shards, world, rank))).collect();
        let slice = len.div_ceil(world as usize);
        let zeros = |elements: usize| {
            Tensor::f_zeros([elements as i64], (Kind::Float, device))
                .map_err(EngineError::torch("allocate the reduction"))
        };
        Ok(Self {
            generation,
            reduction,
            group,
            shards: block(shards, world, rank),
            counts: layout.iter().map(Vec::len).collect(),
            additions: additions(&layout.concat()),
            slice,
            vector: zeros(slice * world as usize)?,
            pending: false,
            sums: PartialSums::default(),
            stack: Vec::new(),
            spare: Vec::new(),
            gathered: zeros(slice * world as usize)?,
        })
    }

    /// The generation.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The process group; `None` for a single worker.
    #[must_use]
    pub fn group(&self) -> Option<&ProcessGroup> {
        self.group.as_ref()
    }

    /// The shards that this worker computes, in the order of [`Self::push`].
    #[must_use]
    pub fn shards(&self) -> Range<u32> {
        self.shards.clone()
    }

    /// The vector that a shard is to be written to, all of it: it holds what the last one left.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn begin_shard(&mut self) -> Result<&mut Tensor, EngineError> {
        if self.pending {
            let mut buffer = match self.spare.pop() {
                Some(buffer) => buffer,
                None => self.vector.f_empty_like().map_err(EngineError::torch("allocate a partial sum"))?,
            };
            no_grad(|| buffer.f_copy_(&self.vector)).map_err(EngineError::torch("keep a partial sum"))?;
            self.stack.push(buffer);
            self.pending = false;
        }
        Ok(&mut self.vector)
    }

    /// Takes the vector of `shard` into the partial sums.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn push(&mut self, shard: u32) -> Result<(), EngineError> {
        self.pending = true;
        for _ in 0..self.sums.push(shard) {
            let popped = if self.pending { None } else { self.stack.pop() };
            let Some(left) = self.stack.last_mut() else { break };
            let right = popped.as_ref().unwrap_or(&self.vector);
            let _ = no_grad(|| left.f_add_(right)).map_err(EngineError::torch("add partial sums"))?;
            self.pending = false;
            self.spare.extend(popped);
        }
        Ok(())
    }

    /// The sum over all shards of all workers, once all of this worker's are in.
    ///
    /// # Errors
    /// If another worker is gone, or `control` ends the generation.
    pub fn finish(&mut self, control: &Control) -> Result<Tensor, EngineError> {
        let mut parts: Vec<Tensor> = self.stack.iter().map(Tensor::shallow_clone).collect();
        if self.pending {
            parts.push(self.vector.shallow_clone());
        }
        let sum = no_grad(|| match &self.group {
            None => self.sum_locally(parts),
            Some(group) if self.reduction == Reduction::Ring => self.all_reduce(group, parts, control),
            Some(group) => self.finish_tree(group, &parts, control),
        })?;
        self.spare.append(&mut self.stack);
        self.sums = PartialSums::default();
        self.pending = false;
        Ok(sum)
    }

    fn sum_locally(&self, mut parts: Vec<Tensor>) -> Result<Tensor, EngineError> {
        for (left, right) in &self.additions {
            let right = parts[*right].shallow_clone();
            let _ = parts[*left].f_add_(&right).map_err(EngineError::torch("add partial sums"))?;
        }
        Ok(parts.swap_remove(0))
    }

    /// In an order that the backend chooses.
    fn all_reduce(&self, group: &ProcessGroup, parts: Vec<Tensor>, control: &Control) -> Result<Tensor, EngineError> {
        let mut parts = parts.into_iter();
        let mut sum = parts.next().unwrap_or_else(|| self.vector.shallow_clone());
        for part in parts {
            let _ = sum.f_add_(&part).map_err(EngineError::torch("add partial sums"))?;
        }
        group.all_reduce(&sum)?.wait_unless(LIMIT, || control.is_aborted(self.generation))?;
        Ok(sum)
    }

    fn finish_tree(&self, group: &ProcessGroup, parts: &[Tensor], control: &Control) -> Result<Tensor, EngineError> {
        let torch = || EngineError::torch("finish the tree");
        let (slice, world) = (self.slice as i64, i64::from(group.world_size()));
        // By destination, then by part.
        let send = match parts {
            [part] => part.shallow_clone(),
            _ => Tensor::f_stack(parts, 0)
                .and_then(|parts| parts.f_view([-1, world, slice]))
                .and_then(|parts| parts.f_transpose(0, 1))
                .and_then(|parts| parts.f_reshape([-1]))
                .map_err(torch())?,
        };
        let all: usize = self.counts.iter().sum();
        let mut received = Tensor::f_empty([all as i64, slice], (Kind::Float, send.device())).map_err(torch())?;
        let flat = received.f_view([-1]).map_err(torch())?;
        let receive_sizes: Vec<i64> = self.counts.iter().map(|count| *count as i64 * slice).collect();
        let send_sizes = vec![parts.len() as i64 * slice; world as usize];
        let given_up = || control.is_aborted(self.generation);
        group.all_to_all(&flat, &send, &receive_sizes, &send_sizes)?.wait_unless(LIMIT, given_up)?;
        for (left, right) in &self.additions {
            let right = received.f_get(*right as i64).map_err(torch())?;
            let _ = received.f_get(*left as i64).and_then(|mut left| left.f_add_(&right)).map_err(torch())?;
        }
        received = received.f_get(0).map_err(torch())?;
        group.all_gather(&self.gathered, &received)?.wait_unless(LIMIT, given_up)?;
        Ok(self.gathered.shallow_clone())
    }

    /// Overwrites `tensor` with that of rank `root`.
    ///
    /// # Errors
    /// If another worker is gone, or `control` ends the generation.
    pub fn broadcast(&self, tensor: &Tensor, root: u32, control: &Control) -> Result<(), EngineError> {
        if let Some(group) = &self.group {
            group.broadcast(tensor, root)?.wait_unless(LIMIT, || control.is_aborted(self.generation))?;
        }
        Ok(())
    }
}
