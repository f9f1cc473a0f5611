//! A digest of the state, by which workers are compared (`plan::digest_floats`).

use crate::error::EngineError;
use crate::replica::Replica;
use plan::{DIGEST_STEP, Position, Totals, digest_floats, digest_numbers};
use state::State;
use tch::{Kind, TchError, Tensor};

/// Words on a device that are digested at once: products need eight bytes a word.
const AT_ONCE: i64 = 1 << 22;

/// The digest of the state that `replica` holds.
///
/// # Errors
/// If it holds nothing, or libtorch fails.
pub fn digest(replica: &Replica) -> Result<u64, EngineError> {
    let position = replica.held()?;
    digest_of(replica, replica.buffers(), position, replica.totals)
}

/// The digest of a state in `buffers`, one buffer a slot.
pub(crate) fn digest_of<'a>(
    replica: &Replica,
    buffers: impl Iterator<Item = &'a Tensor>,
    position: Position,
    totals: Totals,
) -> Result<u64, EngineError> {
    let threads = replica.config.threads as usize;
    let mut first = 0;
    let mut digest = 0_u64;
    for tensor in buffers {
        let part = if replica.hardware.reads_in_place() {
            on_cpu(tensor, first, threads)
        } else {
            on_device(tensor, first).map_err(EngineError::torch("digest the state"))?
        };
        digest = digest.wrapping_add(part);
        first += tensor.numel() as u64;
    }
    Ok(digest.wrapping_add(digest_numbers(position, totals, first)))
}

/// The digest of a state in main memory, before it is in tensors.
pub(crate) fn digest_of_state(state: &State, replica: &Replica) -> u64 {
    state.digest(replica.config.threads as usize)
}

fn on_cpu(tensor: &Tensor, first: u64, threads: usize) -> u64 {
    // SAFETY: the hardware reads in place, so state buffers are dense f32 tensors in main memory (`Replica::new`). The
    // pointer is to `numel` floats. They live as long as `tensor` is borrowed, and only this thread writes to them.
    let values = unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<f32>(), tensor.numel()) };
    digest_floats(values, first, threads)
}

/// The same by operations of libtorch. One number a piece is fetched from the device.
fn on_device(tensor: &Tensor, first: u64) -> Result<u64, TchError> {
    let (elements, integers) = (tensor.numel() as i64, (Kind::Int64, tensor.device()));
    let mut digest = 0_u64;
    let mut start = 0;
    while start < elements {
        let len = AT_ONCE.min(elements - start);
        let bits = tensor.f_narrow(0, start, len)?.f_view_dtype(Kind::Int)?.f_to_kind(Kind::Int64)?;
        let words = bits.f_bitwise_and(0xFFFF_FFFF_i64)?;
        let at = first.wrapping_add(start as u64) as i64;
        let indices = Tensor::f_arange_start(at, at + len, integers)?;
        // Integers wrap around, as those of `plan` do.
        let weights = indices.f_mul_scalar(DIGEST_STEP as i64)?.f_bitwise_or(1_i64)?;
        let sum = i64::try_from(&words.f_mul(&weights)?.f_sum(Kind::Int64)?)?;
        digest = digest.wrapping_add(sum as u64);
        start += len;
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn a_device_comes_to_the_same() {
        tch::manual_seed(1);
        let values = Tensor::randn([AT_ONCE + 1000], (Kind::Float, Device::Cpu));
        for first in [0, 7, 1 << 33] {
            assert_eq!(on_device(&values, first).unwrap(), on_cpu(&values, first, 2));
        }
    }
}
