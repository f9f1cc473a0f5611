//! What a run does, as pure functions: the order of samples, shards, the reduction tree, random numbers, time-outs.
//!
//! Nothing here reads a clock, a file or a random number generator. Every worker and the coordinator compute the same
//! plan from the same configuration, so that nothing of it has to be sent or saved.

mod arithmetic;
mod blame;
mod confusion;
mod digest;
mod evaluation;
mod held;
pub mod number;
mod order;
mod position;
pub mod random;
mod rates;
mod shards;
mod timeouts;
mod tree;

pub use arithmetic::{Precision, Reduction, Wire};
pub use blame::Blame;
pub use confusion::Confusion;
pub use digest::{DIGEST_STEP, digest_floats, digest_numbers, digest_weight};
pub use evaluation::{ChunkResult, Chunks, Evaluation, EvaluationError};
pub use held::Held;
pub use order::epoch_order;
pub use position::{Position, Totals};
pub use rates::{BadRates, Rates};
pub use shards::{Steps, block, block_of_owner};
pub use timeouts::{BadTimeout, LONGEST_PATIENCE, Timeouts};
pub use tree::{PartialSums, Subtree, additions, subtrees};

/// Classes of the data set.
pub const CLASSES: usize = 10;
