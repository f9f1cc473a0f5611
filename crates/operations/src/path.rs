//! Which way tensors take: through the kernels of this crate, or through libtorch's operations one by one.
//!
//! Tensors on a GPU take the second way. A process can send those on a CPU the same way, to test it without a GPU.

use std::sync::atomic::{AtomicBool, Ordering};
use tch::Device;

static AS_ON_A_GPU: AtomicBool = AtomicBool::new(false);

/// From now on tensors on a CPU take the way of those on a GPU, in the whole process.
pub fn go_as_on_a_gpu() {
    AS_ON_A_GPU.store(true, Ordering::Relaxed);
}

/// Whether tensors on `device` go through kernels of our own, and lie where the processor reaches them.
#[must_use]
pub fn is_processors(device: Device) -> bool {
    device == Device::Cpu && !AS_ON_A_GPU.load(Ordering::Relaxed)
}
