//! What a step of a residual network is made of: convolution, and batch normalisation fused with the addition and the
//! ReLU that follow it.
//!
//! On a CPU the time of a small network's step that is not spent in convolutions goes into passes over memory. Done one
//! by one, normalisation, addition and ReLU take twelve passes forward and fifteen backward for the end of a block;
//! fused they take four and eight. On other devices [`norm`] does the same with libtorch's own operations, one by one.
//!
//! Gradients are written where they are wanted, without autograd: nothing here may be called outside
//! [`tch::no_grad`] on tensors that require gradients.

mod columns;
mod convolution;
mod element;
mod elementwise;
mod ffi;
mod mark;
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
    cpu_capability, is_deterministic, keep_all_bits, keeps_all_bits, libtorch_version, pin_memory, set_deterministic,
};
pub use mark::Mark;
pub use path::{go_as_on_a_gpu, is_processors};
pub use progress::progress;
pub use units::has_matrix_units;
pub use widest::{INSTRUCTION_SET, UnknownInstructionSet, asked_instruction_set};
