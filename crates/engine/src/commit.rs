//! What every worker does with the reduced vector of a step.

use crate::error::EngineError;
use crate::replica::{Replica, Tail};
use learn::StepAt;
use plan::Position;
use reduction::Sum;
use state::{PARAMETERS, STATISTICS};
use tch::{Device, TchError, Tensor, no_grad};

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

/// Applies the reduced vector of the step at `position`: every worker does the same with the same bytes.
///
/// # Errors
/// If the loss is no number, or libtorch fails.
pub fn commit(replica: &mut Replica, sum: &Sum, position: Position, rate: f64) -> Result<StepOutcome, EngineError> {
    let torch = || EngineError::torch("commit a step");
    let tail = sum
        .within(&replica.tail_range())
        .and_then(|tail| Vec::<f32>::try_from(&tail.f_to_device(Device::Cpu)?))
        .map_err(torch())?;
    let loss = f64::from(tail[Tail::Loss as usize]);
    if !loss.is_finite() {
        return Err(EngineError::Diverged { position, loss });
    }
    // Until all of it is applied nothing is held.
    replica.position = None;
    let number = position.steps_done(replica.config.steps().count()) + 1;
    update(replica, sum, rate, number).map_err(torch())?;
    no_grad(|| {
        let batch = sum.within(&replica.statistics_range())?.f_mul_scalar(STATISTICS_MOMENTUM)?;
        let _ = replica.slot(STATISTICS).f_mul_scalar_(1.0 - STATISTICS_MOMENTUM)?.f_add_(&batch)?;
        Ok(())
    })
    .map_err(torch())?;
    let average = replica.config.average;
    for (kept, followed) in average.slots().iter().zip([PARAMETERS, STATISTICS]) {
        average.follow(number, &mut replica.slot(*kept), &replica.slot(followed)).map_err(torch())?;
    }
    // Counts are exact: a step has far fewer than 2^24 samples.
    let samples = tail[Tail::Samples as usize] as u64;
    replica.totals.loss += loss;
    replica.totals.correct += tail[Tail::Correct as usize] as u64;
    replica.totals.samples += samples;
    replica.position = Some(Position { step: position.step + 1, ..position });
    Ok(StepOutcome { samples, halt: tail[Tail::Halt as usize] > 0.0 })
}

/// Has every parameter follow its gradient, in the step of this `number` since the run began.
fn update(replica: &Replica, sum: &Sum, rate: f64, number: u64) -> Result<(), TchError> {
    let update = replica.config.optimizer.update();
    let parameters = replica.slot(PARAMETERS);
    let slots: Vec<Tensor> = update.slots().iter().map(|slot| replica.slot(*slot)).collect();
    for (piece, gradient) in sum.before(replica.layout.parameters())? {
        for group in &replica.groups {
            let Some(range) = group.within(&piece) else { continue };
            let part = |vector: &Tensor, first: usize| vector.f_narrow(0, first as i64, range.len() as i64);
            let mut parameters = part(&parameters, range.start)?;
            let mut slots = slots.iter().map(|slot| part(slot, range.start)).collect::<Result<Vec<_>, _>>()?;
            let gradient = part(&gradient, range.start - piece.start)?;
            let at = StepAt { rate, number, decays: group.decays };
            update.step(at, &mut parameters, &mut slots, &gradient)?;
        }
    }
    Ok(())
}
