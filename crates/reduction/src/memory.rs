//! Where vectors lie, and what follows from that.

use std::ops::Range;
use tch::Device;

/// Elements of a bucket: few enough that the first bucket is sent early, and enough to outweigh latency.
pub(crate) const BUCKET: Range<usize> = 1 << 16..1 << 20;
/// The same on a GPU, where the start of every collective and addition costs as much as many elements. For comparison,
/// c10d's `DistributedDataParallel` has buckets of 25 MB (6.5 million elements), and a first one of 1 MB.
const BUCKET_ON_A_GPU: Range<usize> = 1 << 18..1 << 22;

/// Where vectors lie, of the same kind on every worker.
#[derive(Debug, Clone)]
pub struct Memory {
    pub(crate) device: Device,
    /// How many elements a bucket has.
    pub(crate) bucket: Range<usize>,
    /// Whether workers of one machine can share it.
    pub(crate) shareable: bool,
}

impl Memory {
    /// Main memory, which workers of one machine can share.
    #[must_use]
    pub fn main() -> Self {
        Self { device: Device::Cpu, bucket: BUCKET, shareable: true }
    }

    /// The memory of a GPU, or of a `device` that is to go the way of one.
    #[must_use]
    pub fn of_a_gpu(device: Device) -> Self {
        Self { device, bucket: BUCKET_ON_A_GPU, shareable: false }
    }
}
