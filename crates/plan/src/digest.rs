//! A digest of a state, by which workers are compared.
//!
//! Each 32-bit word of the state is multiplied by an odd weight that depends on its place. The products are added up
//! modulo 2^64. Integers give the same sum in any order, so threads and devices may add as they like. A flipped bit
//! changes the sum, as an odd weight has an inverse. Words that change places change it too, but for a rare chance.

use crate::{Position, Totals};
use std::thread;

/// 2^64 divided by the golden ratio: the weights of neighbours have nothing in common.
pub const DIGEST_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Words below which a further thread costs more than it brings.
const WORTH_A_THREAD: usize = 1 << 18;

/// The weight of the word at `index`.
#[must_use]
pub fn digest_weight(index: u64) -> u64 {
    index.wrapping_mul(DIGEST_STEP) | 1
}

/// The weighted sum of `values`, on at most `threads` threads. `first` is the index of the first word.
#[must_use]
pub fn digest_floats(values: &[f32], first: u64, threads: usize) -> u64 {
    let pieces = threads.min(values.len() / WORTH_A_THREAD).max(1);
    if pieces == 1 {
        return digest_piece(values, first);
    }
    let size = values.len().div_ceil(pieces);
    thread::scope(|scope| {
        let jobs: Vec<_> = values
            .chunks(size)
            .enumerate()
            .map(|(piece, values)| scope.spawn(move || digest_piece(values, first + (piece * size) as u64)))
            .collect();
        let mut sum = 0_u64;
        for job in jobs {
            match job.join() {
                Ok(part) => sum = sum.wrapping_add(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        sum
    })
}

fn digest_piece(values: &[f32], first: u64) -> u64 {
    let mut weight = first.wrapping_mul(DIGEST_STEP);
    let mut sum = 0_u64;
    for value in values {
        sum = sum.wrapping_add(u64::from(value.to_bits()).wrapping_mul(weight | 1));
        weight = weight.wrapping_add(DIGEST_STEP);
    }
    sum
}

/// The weighted sum of a state's position and totals, which come after `first` words of tensors.
#[must_use]
pub fn digest_numbers(position: Position, totals: Totals, first: u64) -> u64 {
    let Position { epoch, step } = position;
    let Totals { loss, correct, samples } = totals;
    let halves = |number: u64| [number & 0xFFFF_FFFF, number >> 32];
    let words = [u64::from(epoch), u64::from(step)]
        .into_iter()
        .chain([loss.to_bits(), correct, samples].into_iter().flat_map(halves));
    (first..).zip(words).fold(0, |sum: u64, (index, word)| sum.wrapping_add(word.wrapping_mul(digest_weight(index))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn threads_change_nothing() {
        let values: Vec<f32> = (0..3 * WORTH_A_THREAD + 17).map(|i| (i as f32).sin()).collect();
        let alone = digest_floats(&values, 5, 1);
        for threads in 2..6 {
            assert_eq!(digest_floats(&values, 5, threads), alone);
        }
        let (front, back) = values.split_at(1000);
        assert_eq!(digest_floats(front, 5, 1).wrapping_add(digest_floats(back, 1005, 1)), alone);
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_seen(values in proptest::collection::vec(any::<f32>(), 1..99), at in any::<usize>(), bit in 0u32..32) {
            let mut flipped = values.clone();
            let at = at % values.len();
            flipped[at] = f32::from_bits(values[at].to_bits() ^ 1 << bit);
            prop_assert_ne!(digest_floats(&values, 0, 1), digest_floats(&flipped, 0, 1));
        }

        #[test]
        fn numbers_count(epoch in any::<u32>(), step in any::<u32>(), correct in any::<u64>(), first in any::<u64>()) {
            let digest = |position, totals| digest_numbers(position, totals, first);
            let (position, totals) = (Position { epoch, step }, Totals { loss: 1.5, correct, samples: 7 });
            let all = digest(position, totals);
            prop_assert_ne!(all, digest(Position { step: step ^ 1, ..position }, totals));
            prop_assert_ne!(all, digest(position, Totals { correct: correct ^ 1 << 40, ..totals }));
            prop_assert_ne!(all, digest(position, Totals { loss: 1.25, ..totals }));
        }
    }
}
