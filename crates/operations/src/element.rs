//! What activations are stored as.

#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the instruction set")]

use half::bf16;

/// A type of activations.
pub(crate) trait Element: Copy + Send + Sync + 'static {
    /// What `tch` calls it.
    const KIND: tch::Kind;
    fn get(self) -> f32;
    fn put(value: f32) -> Self;
}

impl Element for f32 {
    const KIND: tch::Kind = tch::Kind::Float;

    #[inline(always)]
    fn get(self) -> f32 {
        self
    }

    #[inline(always)]
    fn put(value: f32) -> Self {
        value
    }
}

impl Element for bf16 {
    const KIND: tch::Kind = tch::Kind::BFloat16;

    #[inline(always)]
    fn get(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    /// To the nearest, ties to even.
    #[inline(always)]
    fn put(value: f32) -> Self {
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7FFF + (bits >> 16 & 1));
        Self::from_bits(if value.is_nan() { 0x7FC0 } else { (rounded >> 16) as u16 })
    }
}
