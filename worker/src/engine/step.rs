//! One training step: the part of this worker, the reduction, and what follows from it on every worker alike.

use crate::engine::{Control, EngineError, Reducer, Replica, StepOutcome, commit, forward_backward, idle, to_device};
use cifar::Dataset;
use plan::Position;

/// Does the step at the replica's position with learning rate `rate`. `order` is the epoch's order of samples.
///
/// # Errors
/// If another worker is gone, the generation is aborted, the loss is no number, or libtorch fails. The state is
/// untouched then: it only changes once the reduction is complete.
pub fn train_step(
    replica: &mut Replica,
    reducer: &mut Reducer,
    data: &Dataset,
    order: &[u32],
    rate: f64,
    control: &Control,
) -> Result<StepOutcome, EngineError> {
    let position = replica.position.ok_or_else(|| EngineError::OutOfOrder {
        order: "train".to_owned(),
        state: "no state was loaded yet".to_owned(),
    })?;
    let halt = control.is_halted(reducer.generation(), position.epoch);
    for shard in reducer.shards() {
        if control.is_aborted(reducer.generation()) {
            return Err(EngineError::Aborted { generation: reducer.generation() });
        }
        compute_shard(replica, reducer, data, order, position, shard, halt)?;
    }
    let mut sum = reducer.finish(control)?;
    commit(replica, &mut sum, position, rate)
}

/// One shard's vector, into the reducer.
fn compute_shard(
    replica: &mut Replica,
    reducer: &mut Reducer,
    data: &Dataset,
    order: &[u32],
    position: Position,
    shard: u32,
    halt: bool,
) -> Result<(), EngineError> {
    let steps = replica.config.steps();
    let samples = steps.shard_of(position.step, shard, replica.config.shards);
    let vector = reducer.begin_shard()?;
    if samples.is_empty() {
        idle(replica, halt, vector)?;
    } else {
        let indices = &order[samples.start as usize..samples.end as usize];
        let mut pixels = vec![0.0; indices.len() * cifar::IMAGE_BYTES];
        let mut labels = vec![0; indices.len()];
        cifar::train_batch(data, replica.config.seed, position.epoch, indices, &mut pixels, &mut labels);
        let (images, labels) = to_device(&pixels, &labels, replica.device)?;
        let step_samples = steps.samples_of(position.step).len();
        forward_backward(replica, &images, &labels, step_samples, halt, vector, |_| {})?;
    }
    reducer.push(shard)
}
