//! The values of a tile or a filter.

/// Rows of `N` values each. Aligned, for values that are registers would cross lines of the cache otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Square<T, const N: usize>(pub [[T; N]; N]);

impl<T: Copy, const N: usize> Square<T, N> {
    #[inline(always)]
    pub fn splat(value: T) -> Self {
        Self([[value; N]; N])
    }

    #[inline(always)]
    pub fn flat(&self) -> &[T] {
        self.0.as_flattened()
    }

    #[inline(always)]
    pub fn flat_mut(&mut self) -> &mut [T] {
        self.0.as_flattened_mut()
    }
}
