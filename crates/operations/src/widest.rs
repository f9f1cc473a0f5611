//! Code compiled for the widest instruction set that a processor has.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the instruction set")]

use pulp::{Arch, Simd, WithSimd};

/// Runs `body`, which has to be `#[inline(always)]`, compiled for the widest instruction set of this processor.
///
/// A closure that is given to [`Arch::dispatch`] itself is called by way of `FnOnce::call_once`, for which the compiler
/// makes a function of its own: it is inlined nowhere, and knows of no more than the least of all processors.
pub(crate) fn widest<R>(body: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Body(body))
}

struct Body<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Body<F> {
    type Output = R;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}
