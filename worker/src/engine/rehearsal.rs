//! A step that does not count, before a worker is a member. What libraries and devices do at the first step alone, they do
//! here, and a step for which there is no memory fails here, where nobody waits for it.

use crate::engine::{EngineError, Profile, Replica, forward_backward, to_device};
use cifar::IMAGE_BYTES;
use tch::{Kind, Tensor};

/// Forward and backward of a shard of black images, as many as the largest shard has. The state stays as it is.
///
/// # Errors
/// If libtorch fails, for example for want of memory.
pub(super) fn rehearse(replica: &mut Replica) -> Result<(), EngineError> {
    let (steps, shards) = (replica.config.steps(), replica.config.shards);
    let samples = (0..shards).map(|shard| steps.shard_of(0, shard, shards).len()).max().unwrap_or_default();
    let (pixels, labels) = (vec![0.0; samples * IMAGE_BYTES], vec![0; samples]);
    let (images, labels) = to_device(&pixels, &labels, replica.device)?;
    let mut vector = Tensor::f_empty([replica.vector_len() as i64], (Kind::Float, replica.device))
        .map_err(EngineError::torch("allocate a shard's vector"))?;
    forward_backward(replica, &images, &labels, samples, false, &mut vector, || {}, |_| {}, &mut Profile::new(false))
}
