//! Random numbers without a generator: a block of bits is a pure function of a key and a counter. So there is no state to be
//! saved, sent to a joiner or kept in step between workers.
//!
//! Philox 4x32 with ten rounds, from Salmon, Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3"
//! (SC 2011); the same generator that CUDA and PyTorch's GPU kernels use.

/// What a stream of random numbers is for. Two purposes never share a number, whatever their counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// The order of samples in an epoch.
    Order = 0,
    /// Crop and flip of one sample.
    Augment = 1,
    /// The initial weights.
    Init = 2,
}

const MULTIPLIER: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// One Philox 4x32-10 block: 128 random bits for a 64-bit key and a 128-bit counter.
#[must_use]
pub fn philox(mut key: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(MULTIPLIER[0]) * u64::from(counter[0]);
        let b = u64::from(MULTIPLIER[1]) * u64::from(counter[2]);
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// The block of random bits for `purpose` at (`a`, `b`, `c`) of a run's `seed`.
#[must_use]
pub fn random_bits(seed: u64, purpose: Purpose, a: u32, b: u32, c: u32) -> [u32; 4] {
    philox([seed as u32, (seed >> 32) as u32], [a, b, c, purpose as u32])
}

/// A number in `0..bound` from 32 random bits (Lemire's multiply-shift, whose bias is below `bound / 2^32`).
#[must_use]
pub fn below(bits: u32, bound: u32) -> u32 {
    ((u64::from(bits) * u64::from(bound)) >> 32) as u32
}

/// A number in [0, 1) from 32 random bits, a multiple of 2^-24: every value is exact in f32.
#[must_use]
pub fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Known answers of the Random123 distribution (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_answers() {
        assert_eq!(philox([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 2], [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    proptest! {
        #[test]
        fn below_stays_below(bits: u32, bound in 1..u32::MAX) {
            prop_assert!(below(bits, bound) < bound);
        }

        #[test]
        fn unit_stays_in_the_half_open_interval(bits: u32) {
            prop_assert!((0.0..1.0).contains(&unit(bits)));
        }
    }
}
