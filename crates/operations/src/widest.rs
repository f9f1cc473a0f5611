//! Code compiled for the widest instruction set that a processor has, or that it is to use.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the instruction set")]

use pulp::{Arch, Simd, WithSimd};
use std::{env, sync::OnceLock};

/// The variable that has the kernels of this crate use less than the processor has: `avx2`, or `none`. What other processors do
/// is tested with it, together with libtorch's `ATEN_CPU_CAPABILITY` and oneDNN's `ONEDNN_MAX_CPU_ISA`.
pub const INSTRUCTION_SET: &str = "COXSWAIN_INSTRUCTION_SET";

/// A value of [`INSTRUCTION_SET`] that says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownInstructionSet(pub String);

/// What [`INSTRUCTION_SET`] asks for, if anything.
///
/// # Errors
/// If it is none that is known.
pub fn asked_instruction_set() -> Result<Option<&'static str>, UnknownInstructionSet> {
    let Some(asked) = env::var_os(INSTRUCTION_SET).filter(|asked| !asked.is_empty()) else { return Ok(None) };
    match asked.to_str() {
        Some("avx2") => Ok(Some("avx2")),
        Some("none") => Ok(Some("none")),
        _ => Err(UnknownInstructionSet(asked.to_string_lossy().into_owned())),
    }
}

/// The instruction set that the kernels are compiled for. One that is asked for and not there leaves the next below.
pub(crate) fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(|| match asked_instruction_set() {
        Ok(Some("avx2")) => avx2(),
        Ok(Some(_)) => Arch::Scalar,
        Ok(None) | Err(_) => Arch::new(),
    })
}

#[cfg(target_arch = "x86_64")]
fn avx2() -> Arch {
    pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3)
}

#[cfg(not(target_arch = "x86_64"))]
fn avx2() -> Arch {
    Arch::Scalar
}

/// Runs `body`, which has to be `#[inline(always)]`, compiled for the widest instruction set of this processor.
///
/// A closure that is given to [`Arch::dispatch`] itself is called by way of `FnOnce::call_once`. The compiler makes a function
/// of its own for that. It is inlined nowhere, and is compiled for the least of all processors.
pub(crate) fn widest<R>(body: impl FnMut() -> R) -> R {
    arch().dispatch(Body(body))
}

struct Body<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Body<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}
