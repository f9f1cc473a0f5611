//! What a step of a residual network is made of. That is convolution, batch normalisation fused with the addition and
//! the ReLU after it, and an optimiser's pass over the parameters.
//!
//! On a CPU the time of a small network's step that is not spent in convolutions goes into passes over memory. At the
//! end of a block, normalisation, addition and ReLU one by one take twelve passes forward and fifteen backward. Fused
//! they take four and eight. On other devices [`norm`] does the same with libtorch's own operations, one by one.
//!
//! Gradients are written where they are wanted, without autograd. So nothing here may be called outside
//! [`tch::no_grad`] on tensors that require gradients.
//!
//! # Layout
//!
//! - `path`: which way a tensor takes: that of a processor or that of a GPU. `units` and `widest`: what a processor has.
//! - `convolution`: by `winograd`, by `columns`, or by libtorch.
//! - `frozen`: a convolution of which an image is the same bytes in any batch.
//! - `max_pool`: the largest of the pixels under a window.
//! - [`norm`]: normalisation and what follows it.
//! - [`sgd`] and `elementwise`: steps of optimisers.
//! - `parallel`, `memory` and `progress`: threads, tensors as slices, and signs of life.
//! - `ffi` and `mark`: what libtorch's C++ has and `tch` does not.
//!
//! # Example
//!
//! ```no_run
//! use operations::Convolution;
//! use tch::{Device, Kind, Tensor};
//!
//! let images = Tensor::ones([1, 8, 8, 16], (Kind::Float, Device::Cpu)).permute([0, 3, 1, 2]);
//! let weight = Tensor::ones([32, 16, 3, 3], (Kind::Float, Device::Cpu));
//! let output = Convolution { stride: 1, padding: 1 }.forward(&images, &weight)?;
//! assert_eq!(output.size(), [1, 32, 8, 8]);
//! // Away from the edges: 16 channels of 9 ones.
//! assert!((output.double_value(&[0, 0, 4, 4]) - 144.0).abs() < 1e-3);
//! # Ok::<(), tch::TchError>(())
//! ```

mod columns;
mod convolution;
mod element;
mod elementwise;
mod ffi;
mod frozen;
mod mark;
mod max_pool;
mod memory;
pub mod norm;
mod parallel;
mod path;
mod progress;
pub mod sgd;
mod units;
mod widest;
mod winograd;

pub use convolution::Convolution;
pub use elementwise::elementwise;
pub use ffi::{
    channels_last, cpu_capability, is_deterministic, keep_all_bits, keeps_all_bits, libtorch_version, pin_memory,
    set_deterministic,
};
pub use frozen::Frozen;
pub use mark::Mark;
pub use max_pool::MaxPool;
pub use path::{go_as_on_a_gpu, is_processors};
pub use progress::progress;
pub use units::has_matrix_units;
pub use widest::{INSTRUCTION_SET, UnknownInstructionSet, asked_instruction_set};
