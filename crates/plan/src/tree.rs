//! The one binary tree in which the vectors of a step's shards are added, whoever computed them.
//!
//! Floating-point addition is not associative. So a sum is the same bytes for any number of workers only if the tree is
//! the same. Shards are its leaves, in their order. A node at height `h` joins the leaves `[i 2^h, (i + 1) 2^h)`. If
//! the number of shards is no power of two, a node without a right half is its left half. A worker with a contiguous
//! block of shards can add the *aligned subtrees* inside the block by itself. The rest of the tree is above them.

use std::ops::Range;

/// A node of the tree: the leaves `[first, first + size)`, where `size` is a power of two that divides `first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtree {
    /// The first leaf.
    pub first: u32,
    /// The number of leaves.
    pub size: u32,
}

impl Subtree {
    /// Whether `self` and `right` are the two halves of a node.
    fn is_left_sibling_of(self, right: Self) -> bool {
        self.size == right.size && self.first + self.size == right.first && self.first.is_multiple_of(2 * self.size)
    }

    fn joined(self) -> Self {
        Self { first: self.first, size: 2 * self.size }
    }
}

/// The fewest aligned subtrees that cover `leaves`, in their order.
#[must_use]
pub fn subtrees(leaves: Range<u32>) -> Vec<Subtree> {
    let mut sums = PartialSums::default();
    for leaf in leaves {
        sums.push(leaf);
    }
    sums.stack
}

/// The partial sums that a worker holds while it goes through its shards: a stack, merged like a binary counter.
#[derive(Debug, Clone, Default)]
pub struct PartialSums {
    stack: Vec<Subtree>,
}

impl PartialSums {
    /// Puts the vector of `leaf` on the stack. Returns how many times the top of the stack is now to be added to the
    /// one below it and dropped.
    pub fn push(&mut self, leaf: u32) -> usize {
        self.stack.push(Subtree { first: leaf, size: 1 });
        let mut merges = 0;
        while let [.., left, right] = self.stack[..]
            && left.is_left_sibling_of(right)
        {
            self.stack.pop();
            if let Some(top) = self.stack.last_mut() {
                *top = left.joined();
            }
            merges += 1;
        }
        merges
    }

    /// The subtrees on the stack, from the bottom.
    #[must_use]
    pub fn subtrees(&self) -> &[Subtree] {
        &self.stack
    }
}

/// The additions that finish the tree over `parts`, aligned subtrees that cover all leaves in their order. A pair
/// `(left, right)` of indices into `parts` means `left += right`. In the end the sum is in part 0.
#[must_use]
pub fn additions(parts: &[Subtree]) -> Vec<(usize, usize)> {
    let leaves = parts.last().map_or(0, |last| last.first + last.size);
    let mut nodes: Vec<(usize, Subtree)> = parts.iter().copied().enumerate().collect();
    let mut plan = Vec::new();
    let mut size = 1;
    while size < leaves {
        let mut next: Vec<(usize, Subtree)> = Vec::with_capacity(nodes.len());
        for (index, node) in nodes {
            match next.last_mut() {
                Some((left, below)) if below.is_left_sibling_of(node) && node.size == size => {
                    plan.push((*left, index));
                    *below = below.joined();
                }
                _ => next.push((index, node)),
            }
        }
        // A node without a right half stands for its parent.
        if let Some((_, last)) = next.last_mut()
            && last.size == size
            && last.first.is_multiple_of(2 * size)
        {
            *last = last.joined();
        }
        nodes = next;
        size *= 2;
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block;
    use proptest::prelude::*;

    /// The tree by its definition, over strings that show the order of additions.
    fn reference(first: u32, size: u32, leaves: u32) -> String {
        if size == 1 {
            return first.to_string();
        }
        let left = reference(first, size / 2, leaves);
        if first + size / 2 >= leaves {
            return left;
        }
        format!("({left}+{})", reference(first + size / 2, size / 2, leaves))
    }

    /// The same by `workers` workers, each with its block, as the engine does it.
    fn distributed(leaves: u32, workers: u32) -> String {
        let mut layout = Vec::new();
        let mut parts = Vec::new();
        for worker in 0..workers {
            let mut sums = PartialSums::default();
            let mut stack: Vec<String> = Vec::new();
            for leaf in block(leaves, workers, worker) {
                stack.push(leaf.to_string());
                for _ in 0..sums.push(leaf) {
                    let right = stack.pop().unwrap();
                    let left = stack.pop().unwrap();
                    stack.push(format!("({left}+{right})"));
                }
            }
            assert_eq!(sums.subtrees(), subtrees(block(leaves, workers, worker)));
            layout.extend_from_slice(sums.subtrees());
            parts.extend(stack);
        }
        for (left, right) in additions(&layout) {
            parts[left] = format!("({}+{})", parts[left], parts[right]);
        }
        parts.swap_remove(0)
    }

    proptest! {
        /// Promise P1's heart: any division of the shards adds them in the same tree.
        #[test]
        fn any_division_gives_the_same_tree(leaves in 1..100_u32, workers in 1..100_u32) {
            let workers = workers.min(leaves);
            prop_assert_eq!(distributed(leaves, workers), reference(0, leaves.next_power_of_two(), leaves));
        }

        #[test]
        fn subtrees_cover_their_leaves(first in 0..1000_u32, count in 0..100_u32) {
            let mut at = first;
            for tree in subtrees(first..first + count) {
                prop_assert_eq!(tree.first, at);
                prop_assert!(tree.size.is_power_of_two() && tree.first.is_multiple_of(tree.size));
                at += tree.size;
            }
            prop_assert_eq!(at, first + count);
        }
    }

    #[test]
    fn five_leaves() {
        assert_eq!(distributed(5, 1), "(((0+1)+(2+3))+4)");
        assert_eq!(distributed(5, 2), "(((0+1)+(2+3))+4)");
        assert_eq!(distributed(5, 5), "(((0+1)+(2+3))+4)");
    }
}
