//! The sum of all shards' vectors, in the one fixed tree (`plan::additions`), while the backward pass still runs.
//!
//! A worker adds up the aligned subtrees that it owns while it goes through its shards. The vector is cut into buckets.
//! One is sent as soon as the backward pass of the worker's last shard has filled it. An all-to-all brings slice `i` of
//! everyone's partial sums to rank `i`, which finishes the tree for that slice. An all-gather returns the result. That is
//! as many bytes as a ring all-reduce sends. The order of every addition is fixed, whatever the buckets and whoever adds.
//! Workers of one machine do the same without sending anything.
//!
//! The crate knows nothing of models and training. Whoever runs a reduction is its [`Supervisor`]: it gets signs of life,
//! and can end the generation.
//!
//! # Layout
//!
//! **What it is given**
//!
//! - `options`: what is reduced, and how.
//! - `memory`: where vectors lie, and what sizes of buckets follow from that.
//! - `supervisor`: who runs it.
//!
//! **The reduction**
//!
//! - `reducer`: one step after the other, from the first shard to the sum.
//! - `partials`: the partial sums of this worker.
//! - `cut`: how the vector is cut into buckets.
//! - `bucket`: a piece of the vector on its way.
//! - `tree`: who brings which parts, and how they are added.
//! - `sum`: the result.
//!
//! **Among several workers**
//!
//! - `collectives`: over the network.
//! - `shared`, `sizes`: in memory that all of them see.
//! - `agree`: how they find out which of the two it is.
//! - `wait`: waiting for others.
//!
//! **Beside it**
//!
//! - `stalls`, `times`: where the time goes.
//!
//! # Example
//!
//! ```no_run
//! use plan::{Reduction, Wire};
//! use reduction::{Memory, Nobody, Reducer, ReducerOptions};
//! use tch::Tensor;
//!
//! // Two shards of a vector with three gradients and one number that is none, all on this worker.
//! let (reduction, wire) = (Reduction::Tree, Wire::Fp32);
//! let options = ReducerOptions { reduction, wire, shards: 2, gradients: 3, len: 4, place: None };
//! let mut reducer = Reducer::new(1, None, options, &Memory::main(), &Nobody)?;
//! for shard in reducer.shards() {
//!     let mut vector = reducer.begin_shard(shard)?;
//!     vector.copy_(&Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]));
//!     reducer.end_shard(shard, &Nobody)?;
//! }
//! let sum = reducer.finish(&Nobody)?;
//! assert_eq!(Vec::<f32>::try_from(&sum.within(&(3..4))?)?, [8.0]);
//! reducer.release()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agree;
mod bucket;
mod collectives;
mod cut;
mod error;
mod memory;
mod options;
mod partials;
mod reducer;
mod shared;
mod sizes;
mod stalls;
mod sum;
mod supervisor;
mod times;
mod tree;
mod wait;

pub use error::ReductionError;
pub use memory::Memory;
pub use options::ReducerOptions;
pub use reducer::Reducer;
pub use sum::Sum;
pub use supervisor::{Nobody, Supervisor};
pub use times::Times;
