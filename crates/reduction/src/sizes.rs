//! How the memory that ranks share is laid out: numbers first, then vectors.

use plan::{PartialSums, block};
use shared_memory::SegmentShape;
use std::ops::Range;

/// The counters of a rank. The places of its parts come after them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    /// Buckets that it has filled since the generation began.
    Filled,
    /// Buckets of which it has finished its slice.
    Summed,
    /// Buckets whose sums it has used.
    Used,
}

const COUNTERS: usize = 3;

/// The sizes that decide how the memory is laid out, the same for all ranks.
#[derive(Debug, Clone)]
pub(crate) struct Sizes {
    /// Elements of the vector.
    pub len: usize,
    /// By rank, how many vectors it needs for its partial sums.
    pub buffers: Vec<usize>,
    /// By rank, how many parts it brings.
    pub parts: Vec<usize>,
}

impl Sizes {
    /// The sizes for vectors of `len` elements and `shards` shards. `parts` says how many parts each rank brings.
    pub fn new(len: usize, shards: u32, parts: &[usize]) -> Self {
        let world = parts.len() as u32;
        let buffers = (0..world).map(|rank| buffers(block(shards, world, rank))).collect();
        Self { len, buffers, parts: parts.to_vec() }
    }

    /// The numbers and floats of all ranks.
    pub fn shape(&self) -> SegmentShape {
        let vectors: usize = self.buffers.iter().map(|buffers| buffers + 1).sum();
        SegmentShape { counters: self.buffers.len() * self.numbers_of_a_rank(), floats: self.vector(vectors) }
    }

    /// Which number `counter` of `rank` is.
    pub fn counter(&self, rank: usize, counter: Counter) -> usize {
        rank * self.numbers_of_a_rank() + counter as usize
    }

    /// Which number says in which vector the part `part` of `rank` is.
    pub fn place(&self, rank: usize, part: usize) -> usize {
        rank * self.numbers_of_a_rank() + COUNTERS + part
    }

    /// Where the vector `index` of all begins.
    pub fn vector(&self, index: usize) -> usize {
        index * self.len.next_multiple_of(1024)
    }

    fn numbers_of_a_rank(&self) -> usize {
        COUNTERS + self.parts.iter().copied().max().unwrap_or(0)
    }
}

/// How many vectors a worker needs for the partial sums of `shards`, with the one that is written to.
fn buffers(shards: Range<u32>) -> usize {
    let (mut sums, mut stack, mut most, mut pending) = (PartialSums::default(), 0, 0, false);
    for shard in shards {
        stack += usize::from(pending);
        most = most.max(stack);
        let merges = sums.push(shard);
        pending = merges == 0;
        stack = (stack + 1).saturating_sub(merges.max(1));
    }
    most + 1
}
