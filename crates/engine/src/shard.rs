//! One shard: forward and backward, into one flat vector.

use crate::error::EngineError;
use crate::hardware::Hardware;
use crate::profile::{Profile, StepPhase};
use crate::replica::{Replica, Tail};
use data::ImageShape;
use learn::Targets;
use plan::Position;
use tch::{Kind, TchError, Tensor, no_grad};

/// Forward and backward for the `images` and `labels` of one shard. Its step has `step_samples` samples in all. Writes
/// all of `vector`: gradients and batch statistics, weighted by the shard's share of the step, and counts. Calls
/// `layer_done` as the forward pass goes. Calls `filled` with the offset from which on `vector` is final, as often as
/// that falls. Returns the sum of the shard's losses, on the device: on a GPU nobody waits for it here.
///
/// # Errors
/// If libtorch fails, for example for want of memory, or the loss is no number, on a CPU.
#[allow(clippy::too_many_arguments, reason = "all that a shard is made of, and where it goes")]
pub fn forward_backward(
    replica: &mut Replica,
    images: &Tensor,
    labels: &Tensor,
    step_samples: usize,
    halt: bool,
    vector: &mut Tensor,
    layer_done: impl FnMut(),
    mut filled: impl FnMut(usize),
    profile: &mut Profile,
) -> Result<Tensor, EngineError> {
    let torch = || EngineError::torch("train a shard");
    let samples = labels.size1().map_err(torch())?;
    let start = profile.begin()?;
    let (logits, tape) = replica.network.forward(images, layer_done)?;
    let objective = replica.config.loss.objective();
    let (loss, gradient) = objective.of(&logits, Targets::Classes(labels), step_samples as f64).map_err(torch())?;
    if replica.hardware.knows_losses_at_once() {
        // Told before it is in the sum of all: the others do not know whose it is.
        check_loss(&loss, replica.position.unwrap_or_default())?;
    }
    no_grad(|| {
        // Counts of a shard are exact in f32.
        let correct = logits.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Float)?;
        let mut tail = Tail::zeros(halt);
        tail[Tail::Samples as usize] = samples as f32;
        write_tail(replica, &tail, vector)?;
        let place = |at: Tail, value: &Tensor| {
            let at = (replica.tail_range().start + at as usize) as i64;
            vector.f_narrow(0, at, 1)?.f_copy_(&value.f_view([1])?)
        };
        place(Tail::Loss, &loss)?;
        place(Tail::Correct, &correct)?;
        let range = replica.statistics_range();
        let weighted = replica.batch_statistics.f_mul_scalar(samples as f64 / step_samples as f64)?;
        vector.f_narrow(0, range.start as i64, range.len() as i64)?.f_copy_(&weighted)
    })
    .map_err(torch())?;
    let start = profile.end(StepPhase::Forward, start)?;
    filled(replica.statistics_range().start);
    replica.network.backward(tape, &gradient, vector, filled)?;
    profile.end(StepPhase::Backward, start)?;
    Ok(loss)
}

/// Waits for a loss.
///
/// # Errors
/// If it is no number.
pub(crate) fn check_loss(loss: &Tensor, position: Position) -> Result<(), EngineError> {
    let loss = f64::try_from(loss).map_err(EngineError::torch("look at a loss"))?;
    if loss.is_finite() { Ok(()) } else { Err(EngineError::Diverged { position, loss }) }
}

/// The vector of a shard without samples.
///
/// # Errors
/// If libtorch fails.
pub(crate) fn idle(replica: &Replica, halt: bool, vector: &mut Tensor) -> Result<(), EngineError> {
    no_grad(|| {
        let _ = vector.f_zero_()?;
        write_tail(replica, &Tail::zeros(halt), vector)
    })
    .map_err(EngineError::torch("leave a shard out"))
}

fn write_tail(replica: &Replica, tail: &[f32; Tail::COUNT], vector: &Tensor) -> Result<(), TchError> {
    let range = replica.tail_range();
    let tail = to_device_async(&Tensor::f_from_slice(tail)?, replica.hardware)?;
    vector.f_narrow(0, range.start as i64, range.len() as i64)?.f_copy_(&tail)
}

/// A batch as tensors: images of `shape`, `[n, channels, height, width]` with strides of channels last, and labels.
pub(crate) fn to_device(
    pixels: &[f32],
    labels: &[i64],
    shape: ImageShape,
    hardware: Hardware,
) -> Result<(Tensor, Tensor), EngineError> {
    let [channels, height, width] = [shape.channels, shape.height, shape.width].map(i64::from);
    let images = Tensor::f_from_slice(pixels)
        .and_then(|pixels| pixels.f_view([labels.len() as i64, height, width, channels]))
        .and_then(|pixels| to_device_async(&pixels, hardware))
        .and_then(|pixels| pixels.f_permute([0, 3, 1, 2]))
        .map_err(EngineError::torch("copy a batch"))?;
    let labels = Tensor::f_from_slice(labels)
        .and_then(|labels| to_device_async(&labels, hardware))
        .map_err(EngineError::torch("copy labels"))?;
    Ok((images, labels))
}

/// A copy on the device of `hardware`. A GPU does not make this thread wait for it.
pub(crate) fn to_device_async(tensor: &Tensor, hardware: Hardware) -> Result<Tensor, TchError> {
    if hardware.copies_by_pinned_memory() {
        operations::pin_memory(tensor)?.f_to_device_(hardware.device(), tensor.kind(), true, false)
    } else {
        Ok(tensor.shallow_clone())
    }
}
