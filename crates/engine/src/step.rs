//! One training step: the part of this worker, the reduction, and what follows from it on every worker alike.

use crate::commit::{StepOutcome, commit};
use crate::control::Control;
use crate::error::EngineError;
use crate::input::BatchFeed;
use crate::profile::{Profile, StepPhase};
use crate::replica::Replica;
use crate::shard::{check_loss, forward_backward, idle};
use plan::Position;
use reduction::Reducer;
use tch::Tensor;

/// Does the step at the replica's position with learning rate `rate`. From `input` come the batches of this worker's
/// shards that have samples, in their order.
///
/// # Errors
/// If another worker is gone, the generation is aborted, the loss is no number, or libtorch fails. The state is
/// untouched then: it only changes once the reduction is complete.
///
/// On a GPU nothing waits for the device before the reduced vector's tail is read. Only where that is no number does each
/// worker look whose loss it was.
pub fn train_step(
    replica: &mut Replica,
    reducer: &mut Reducer,
    input: &mut BatchFeed,
    rate: f64,
    control: &Control,
    profile: &mut Profile,
) -> Result<StepOutcome, EngineError> {
    let position = replica.position.ok_or_else(|| EngineError::OutOfOrder {
        order: "train".to_owned(),
        state: "no state was loaded yet".to_owned(),
    })?;
    let halt = control.is_halted(reducer.generation(), position.epoch);
    let mut losses = Vec::new();
    for shard in reducer.shards() {
        if control.is_aborted(reducer.generation()) {
            return Err(EngineError::Aborted { generation: reducer.generation() });
        }
        losses.extend(compute_shard(replica, reducer, input, position, (shard, halt), control, profile)?);
    }
    let start = profile.begin()?;
    let sum = reducer.finish(control)?;
    let finished = profile.end(StepPhase::Exposed, start)?;
    let ready = if input.prepare()? { profile.end(StepPhase::Input, finished.clone())? } else { finished.clone() };
    let outcome = match commit(replica, &sum, position, rate) {
        Err(EngineError::Diverged { position, loss }) if !replica.hardware.knows_losses_at_once() => {
            losses.iter().try_for_each(|loss| check_loss(loss, position))?;
            return Err(EngineError::OtherDiverged { position, loss });
        }
        outcome => outcome?,
    };
    // A GPU has come to here: the tail was read.
    profile.settle()?;
    profile.sort(reducer.take_times(&finished)?)?;
    reducer.release()?;
    profile.end(StepPhase::Optimizer, ready)?;
    profile.end_step();
    Ok(outcome)
}

/// One shard's vector, into the reducer. Returns its loss, if it has samples.
fn compute_shard(
    replica: &mut Replica,
    reducer: &mut Reducer,
    input: &mut BatchFeed,
    position: Position,
    (shard, halt): (u32, bool),
    control: &Control,
    profile: &mut Profile,
) -> Result<Option<Tensor>, EngineError> {
    let steps = replica.config.steps();
    let mut vector = reducer.begin_shard(shard)?;
    let loss = if steps.shard_of(position.step, shard, replica.config.shards).is_none() {
        idle(replica, halt, &mut vector)?;
        None
    } else {
        let start = profile.begin()?;
        let (images, labels) = input.take()?;
        profile.end(StepPhase::Input, start)?;
        let step_samples = steps.samples_of(position.step).len();
        let filled = |from| reducer.filled(shard, from, control);
        Some(forward_backward(
            replica,
            &images,
            &labels,
            step_samples,
            halt,
            &mut vector,
            || control.beat(),
            filled,
            profile,
        )?)
    };
    reducer.end_shard(shard, control)?;
    Ok(loss)
}
