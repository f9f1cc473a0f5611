//! Who brings which parts, and how they are added.

/// The top of the tree, over the parts of all ranks.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Parts that each rank brings.
    pub counts: Vec<usize>,
    /// The additions that finish the tree.
    pub additions: Vec<(usize, usize)>,
}

impl Tree {
    /// Parts of all ranks.
    pub fn parts(&self) -> usize {
        self.counts.iter().sum()
    }
}
