//! How the vector is cut into buckets.

use std::ops::Range;

/// Buckets of gradients to aim for. The limits of a bucket's size come first.
const BUCKETS: usize = 8;

/// The ranges of the buckets, in the order in which a backward pass fills them, and whether they hold gradients. First
/// comes what is no gradient. Then come the gradients, from the last to the first. A piece of them has a size within
/// `bucket`, rounded up so that `world` ranks share it evenly. The last piece may be smaller.
pub(crate) fn cut(gradients: usize, len: usize, world: usize, bucket: &Range<usize>) -> Vec<(Range<usize>, bool)> {
    let size = (gradients / BUCKETS).clamp(bucket.start, bucket.end).next_multiple_of(world);
    let mut ranges = vec![(gradients..len, false)];
    let mut end = gradients;
    while end > 0 {
        let start = end.saturating_sub(size);
        ranges.push((start..end, true));
        end = start;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::BUCKET;

    #[test]
    fn buckets_are_the_whole_vector_from_its_end() {
        for (gradients, len, world) in [(272_474, 273_858, 2), (11_173_962, 11_183_566, 3), (10, 14, 4)] {
            let ranges = cut(gradients, len, world, &BUCKET);
            let mut end = len;
            for (range, is_gradient) in ranges {
                assert_eq!((range.end, is_gradient), (end, range.start < gradients));
                assert!(!range.is_empty());
                end = range.start;
            }
            assert_eq!(end, 0);
        }
    }
}
