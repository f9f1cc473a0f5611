//! The order of samples in an epoch.

use crate::random::{Purpose, below, random_bits};

/// A permutation of `0..samples`, by `seed` and `epoch` alone: Fisher and Yates's shuffle over counter-based bits.
#[must_use]
pub fn epoch_order(seed: u64, epoch: u32, samples: u32) -> Vec<u32> {
    let mut order: Vec<u32> = (0..samples).collect();
    for i in (1..samples).rev() {
        let bits = random_bits(seed, Purpose::Order, epoch, i, 0)[0];
        order.swap(i as usize, below(bits, i + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_sample_once(seed: u64, epoch: u32, samples in 0..2000_u32) {
            let mut order = epoch_order(seed, epoch, samples);
            order.sort_unstable();
            prop_assert_eq!(order, (0..samples).collect::<Vec<_>>());
        }
    }

    #[test]
    fn epochs_and_seeds_differ() {
        let order = epoch_order(1, 0, 1000);
        assert_ne!(order, epoch_order(1, 1, 1000));
        assert_ne!(order, epoch_order(2, 0, 1000));
        assert_eq!(order, epoch_order(1, 0, 1000));
    }
}
