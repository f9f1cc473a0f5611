//! What a processor has beside vectors.

use crate::widest::asked_instruction_set;
use std::sync::OnceLock;

/// Whether this processor has AMX, units that multiply matrices of bf16, and is to use all that it has
/// ([`INSTRUCTION_SET`](crate::INSTRUCTION_SET)).
#[must_use]
pub fn has_matrix_units() -> bool {
    static UNITS: OnceLock<bool> = OnceLock::new();
    *UNITS.get_or_init(|| matches!(asked_instruction_set(), Ok(None)) && has_amx())
}

#[cfg(target_arch = "x86_64")]
fn has_amx() -> bool {
    raw_cpuid::CpuId::new().get_extended_feature_info().is_some_and(|features| features.has_amx_bf16())
}

#[cfg(not(target_arch = "x86_64"))]
fn has_amx() -> bool {
    false
}
