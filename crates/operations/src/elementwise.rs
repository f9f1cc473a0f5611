//! An update of each element by itself, in one pass over memory.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the instruction set")]

use crate::memory::{dense, dense_mut};
use crate::parallel::{WORTH_A_THREAD, parallel, pieces, threads};
use crate::widest::widest;
use std::array;
use tch::{TchError, Tensor};

/// For every element: `(parameter, slots) = update(gradient, parameter, slots)`, on a CPU. All tensors are dense, in
/// f32 and of the same length. An element's bits do not depend on the number of threads, nor on its neighbours.
///
/// # Errors
/// If there are not `N` slots, or a tensor is not dense, not in f32, or of another length than the rest.
pub fn elementwise<const N: usize>(
    parameters: &mut Tensor,
    slots: &mut [Tensor],
    gradient: &Tensor,
    update: impl Fn(f32, f32, [f32; N]) -> (f32, [f32; N]) + Sync,
) -> Result<(), TchError> {
    let len = gradient.numel();
    if slots.len() != N {
        return Err(TchError::Shape(format!("{} slots instead of {N}", slots.len())));
    }
    let gradient = dense(gradient, len)?;
    let mut parameters = dense_mut(parameters, len)?;
    let mut slots = slots.iter_mut().map(|slot| dense_mut(slot, len)).collect::<Result<Vec<_>, _>>()?;
    let update = &update;
    parallel(pieces(len, threads(len, WORTH_A_THREAD)).map(|range| {
        let parameters = parameters.split_off_mut(..range.len()).unwrap_or_default();
        let mut slots: [&mut [f32]; N] =
            array::from_fn(|slot| slots[slot].split_off_mut(..range.len()).unwrap_or_default());
        let gradient = &gradient[range];
        move || {
            widest(
                #[inline(always)]
                || {
                    // Of one length, so that the compiler need not check every access.
                    let len = gradient.len();
                    let parameters = &mut parameters[..len];
                    let mut slots: [&mut [f32]; N] = slots.each_mut().map(|slot| &mut slot[..len]);
                    for element in 0..len {
                        let before = array::from_fn(|slot| slots[slot][element]);
                        let (parameter, after) = update(gradient[element], parameters[element], before);
                        parameters[element] = parameter;
                        for (slot, value) in slots.iter_mut().zip(after) {
                            slot[element] = value;
                        }
                    }
                },
            );
        }
    }));
    Ok(())
}
