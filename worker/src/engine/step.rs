//! One training step: the part of this worker, the reduction, and what follows from it on every worker alike.

use crate::engine::{Control, EngineError, Reducer, Replica, Sgd, Tail};
use cifar::Dataset;
use plan::Position;
use tch::{Device, Kind, Tensor, no_grad};

/// PyTorch's default: how far running statistics move towards those of a batch.
const STATISTICS_MOMENTUM: f64 = 0.1;

/// What a step came to, the same on every worker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepOutcome {
    /// Samples trained.
    pub samples: u64,
    /// Whether a worker was asked to halt.
    pub halt: bool,
}

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

/// Forward and backward for one shard: its gradients, weighted by its share of the step, its batch statistics, likewise,
/// and its counts, into the reducer.
fn compute_shard(
    replica: &Replica,
    reducer: &mut Reducer,
    data: &Dataset,
    order: &[u32],
    position: Position,
    shard: u32,
    halt: bool,
) -> Result<(), EngineError> {
    let torch = || EngineError::torch("train a shard");
    let (config, steps) = (&replica.config, replica.config.steps());
    let samples = steps.shard_of(position.step, shard, config.shards);
    let step_samples = steps.samples_of(position.step).len();
    let vector = reducer.begin_shard()?.shallow_clone();
    let mut tail = [0.0_f32; Tail::COUNT];
    tail[Tail::Halt as usize] = f32::from(u8::from(halt));
    if !samples.is_empty() {
        let indices = &order[samples.start as usize..samples.end as usize];
        let mut pixels = vec![0.0; indices.len() * cifar::IMAGE_BYTES];
        let mut labels = vec![0; indices.len()];
        cifar::train_batch(data, config.seed, position.epoch, indices, &mut pixels, &mut labels);
        let (images, labels) = to_device(&pixels, &labels, replica.device)?;
        let logits = replica.network.forward(&images, true)?;
        let loss =
            logits.f_cross_entropy_loss(&labels, None::<&Tensor>, tch::Reduction::Sum, -100, 0.0).map_err(torch())?;
        loss.f_div_scalar(step_samples as f64).and_then(|loss| loss.f_backward()).map_err(torch())?;
        let share = indices.len() as f64 / step_samples as f64;
        no_grad(|| {
            let range = replica.statistics_range();
            let weighted = replica.batch_statistics.f_mul_scalar(share)?;
            vector.f_narrow(0, range.start as i64, range.len() as i64)?.f_copy_(&weighted)?;
            let correct = logits.f_argmax(-1, false)?.f_eq_tensor(&labels)?.f_sum(Kind::Int64)?;
            tail[Tail::Loss as usize] = f32::try_from(&loss)?;
            tail[Tail::Correct as usize] = i64::try_from(&correct)? as f32;
            tail[Tail::Samples as usize] = indices.len() as f32;
            Ok(())
        })
        .map_err(torch())?;
    }
    let range = replica.tail_range();
    let tail = Tensor::from_slice(&tail).to_device(replica.device);
    no_grad(|| vector.f_narrow(0, range.start as i64, range.len() as i64)?.f_copy_(&tail)).map_err(torch())?;
    reducer.push(shard)
}

/// Applies the reduced vector of a step: every worker does the same with the same bytes.
fn commit(replica: &mut Replica, sum: &mut Tensor, position: Position, rate: f64) -> Result<StepOutcome, EngineError> {
    let torch = || EngineError::torch("commit a step");
    let range = replica.tail_range();
    let tail = sum
        .f_narrow(0, range.start as i64, range.len() as i64)
        .and_then(|tail| Vec::<f32>::try_from(&tail.f_to_device(Device::Cpu)?))
        .map_err(torch())?;
    let loss = f64::from(tail[Tail::Loss as usize]);
    if !loss.is_finite() {
        return Err(EngineError::Diverged { position, loss });
    }
    let sgd = Sgd { momentum: replica.config.momentum, weight_decay: replica.config.weight_decay };
    let mut gradient = sum.f_narrow(0, 0, replica.layout.parameters() as i64).map_err(torch())?;
    sgd.step(rate, &mut replica.parameters, &mut replica.momentum, &mut gradient).map_err(torch())?;
    let range = replica.statistics_range();
    no_grad(|| {
        let batch = sum.f_narrow(0, range.start as i64, range.len() as i64)?.f_mul_scalar(STATISTICS_MOMENTUM)?;
        let _ = replica.statistics.f_mul_scalar_(1.0 - STATISTICS_MOMENTUM)?.f_add_(&batch)?;
        Ok(())
    })
    .map_err(torch())?;
    // Counts are exact: a step has far fewer than 2^24 samples.
    let samples = tail[Tail::Samples as usize] as u64;
    replica.totals.loss += loss;
    replica.totals.correct += tail[Tail::Correct as usize] as u64;
    replica.totals.samples += samples;
    replica.position = Some(Position { step: position.step + 1, ..position });
    Ok(StepOutcome { samples, halt: tail[Tail::Halt as usize] > 0.0 })
}

/// A batch as tensors: images `[n, 3, 32, 32]` with strides of channels last, and labels.
pub(crate) fn to_device(pixels: &[f32], labels: &[i64], device: Device) -> Result<(Tensor, Tensor), EngineError> {
    let side = cifar::SIDE as i64;
    let images = Tensor::f_from_slice(pixels)
        .and_then(|pixels| pixels.f_view([labels.len() as i64, side, side, 3]))
        .and_then(|pixels| pixels.f_to_device(device))
        .and_then(|pixels| pixels.f_permute([0, 3, 1, 2]))
        .map_err(EngineError::torch("copy a batch"))?;
    let labels = Tensor::f_from_slice(labels)
        .and_then(|labels| labels.f_to_device(device))
        .map_err(EngineError::torch("copy labels"))?;
    Ok((images, labels))
}
