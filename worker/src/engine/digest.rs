//! A digest of the state, by which workers are compared.

use crate::engine::{EngineError, Replica};
use tch::{Device, Tensor};

/// FNV-1a over the bits of parameters, running statistics and momentum, 32 at a time.
///
/// # Errors
/// If libtorch fails.
pub fn digest(replica: &Replica) -> Result<u64, EngineError> {
    let mut digest = 0xCBF2_9CE4_8422_2325_u64;
    for tensor in [&replica.parameters, &replica.statistics, &replica.momentum] {
        let values = tensor
            .f_to_device(Device::Cpu)
            .and_then(|tensor: Tensor| Vec::<f32>::try_from(&tensor))
            .map_err(EngineError::torch("digest the state"))?;
        for value in values {
            digest = (digest ^ u64::from(value.to_bits())).wrapping_mul(0x100_0000_01B3);
        }
    }
    Ok(digest)
}
