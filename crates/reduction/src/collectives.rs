//! The reduction over the network, by collectives of a process group.

use crate::{bucket::Bucket, error::ReductionError, stalls::Stalls, supervisor::Supervisor, tree::Tree, wait::wait};
use nccl_rs::ProcessGroup;
use plan::Reduction;
use std::time::Duration;
use tch::{Tensor, no_grad};

/// All-to-alls that may be under way before the first is waited for. Every rank must start the same collectives in the
/// same order. So when to start an all-gather cannot depend on what has arrived.
const LAG: usize = 4;

/// The collectives of a step.
#[derive(Debug)]
pub(crate) struct Collectives {
    generation: u64,
    pub group: ProcessGroup,
    reduction: Reduction,
    /// The reduced vector.
    gathered: Tensor,
    /// How long this step's reduction made the device wait for others.
    stalls: Stalls,
    /// How long this step's backward pass stood still for the reduction.
    within: Stalls,
}

impl Collectives {
    /// Those of `group` in `generation`. The sum goes to `gathered`.
    pub fn new(generation: u64, group: ProcessGroup, reduction: Reduction, gathered: Tensor) -> Self {
        let device = gathered.device();
        let (stalls, within) = (Stalls::new(device), Stalls::new(device));
        Self { generation, group, reduction, gathered, stalls, within }
    }

    /// Sends this rank's `parts` of `bucket`.
    ///
    /// # Errors
    /// If the collective cannot be started.
    pub fn start(&self, bucket: &mut Bucket, parts: &[Tensor], tree: &Tree) -> Result<(), ReductionError> {
        no_grad(|| match self.reduction {
            Reduction::Ring => bucket.all_reduce(&self.group, parts, &self.gathered),
            Reduction::Tree => bucket.exchange(&self.group, parts, tree),
        })
    }

    /// Goes on with the bucket that was started [`LAG`] before the last of `started`.
    ///
    /// # Errors
    /// If another worker is gone, or `supervisor` ends the generation.
    pub fn follow(
        &self,
        started: &mut [Bucket],
        tree: &Tree,
        supervisor: &impl Supervisor,
    ) -> Result<(), ReductionError> {
        let Some(earlier) = started.len().checked_sub(LAG + 1) else { return Ok(()) };
        let start = self.within.begin()?;
        self.gather(&mut started[earlier], tree, supervisor)?;
        self.within.end(start)
    }

    /// Ends all `buckets`. Returns the sum.
    ///
    /// # Errors
    /// If another worker is gone, or `supervisor` ends the generation.
    pub fn finish(
        &self,
        buckets: &mut [Bucket],
        tree: &Tree,
        supervisor: &impl Supervisor,
    ) -> Result<Tensor, ReductionError> {
        let first = buckets.len().saturating_sub(LAG);
        for bucket in &mut buckets[first..] {
            self.gather(bucket, tree, supervisor)?;
        }
        for bucket in buckets {
            bucket.end(&self.gathered, |work| self.stalls.around(|| wait(work, self.generation, supervisor)))?;
        }
        Ok(self.gathered.shallow_clone())
    }

    /// Finishes the tree for this rank's slice of a bucket and sends the result on its way.
    fn gather(&self, bucket: &mut Bucket, tree: &Tree, supervisor: &impl Supervisor) -> Result<(), ReductionError> {
        let wait = |work| self.stalls.around(|| wait(work, self.generation, supervisor));
        no_grad(|| bucket.gather(&self.group, tree, &self.gathered, wait))
    }

    /// How long the device stood still for others in this step. It is taken: the next call returns 0.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn take_stalled(&self) -> Result<Duration, ReductionError> {
        self.stalls.take()
    }

    /// How long the backward pass stood still in this step. It is taken: the next call returns 0.
    ///
    /// # Errors
    /// If the device is out of order.
    pub fn take_within(&self) -> Result<Duration, ReductionError> {
        self.within.take()
    }
}
