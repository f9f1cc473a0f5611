//! What a run does, as pure functions: the order of samples, shards, the reduction tree, random numbers, time-outs.
//!
//! Nothing here reads a clock, a file or a random number generator. Every worker and the coordinator compute the same
//! plan from the same configuration. So nothing of it has to be sent or saved.
//!
//! # Layout
//!
//! - **Samples.** `order` is the order of an epoch. `shards` cuts it into steps and shards, and shards among workers.
//! - **Sums.** `tree` is the one fixed tree of additions. `digest` is what states are compared by.
//! - **Random numbers.** `random`: functions of seed, purpose and counters.
//! - **What is counted.** `position` and its totals, `held`, `confusion`, `evaluation`, `rates`, `blame`.
//! - **The rest.** `arithmetic` names precisions and reductions, `timeouts` how long things are waited for, `number` is JSON's NaN.
//!
//! # Example
//!
//! ```
//! use plan::{Steps, block, epoch_order};
//!
//! // An epoch of 10 samples in steps of 4: the last one takes what is left.
//! let steps = Steps::new(10, 4);
//! assert_eq!((steps.count(), steps.samples_of(2)), (3, 8..10));
//! // Of its 3 shards one is empty.
//! assert_eq!(steps.shard_of(2, 0, 3), None);
//! // The second of two workers has the last two of four shards.
//! assert_eq!(block(4, 2, 1), 2..4);
//! // The order is a function of seed and epoch.
//! assert_eq!(epoch_order(7, 0, 10), epoch_order(7, 0, 10));
//! ```

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
