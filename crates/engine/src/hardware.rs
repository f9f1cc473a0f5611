//! What the engine does otherwise on a GPU than on a CPU. Every choice by device is made here, and the other modules ask.

use nccl_rs::Backend;
use reduction::Memory;
use tch::Device;

/// Where the tensors of a replica live, and what follows from that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hardware {
    device: Device,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It computes by kernels of our own, in main memory.
    Processor,
    /// It is no GPU, and goes the way of one: to test that way.
    AsGpu,
    /// It works behind the thread that gives it work, in memory of its own.
    Gpu,
}

impl Hardware {
    /// What `device` is, and which way its tensors take in this process.
    #[must_use]
    pub fn of(device: Device) -> Self {
        let kind = match device {
            _ if operations::is_processors(device) => Kind::Processor,
            Device::Cuda(_) => Kind::Gpu,
            _ => Kind::AsGpu,
        };
        Self { device, kind }
    }

    /// The device of all tensors.
    #[must_use]
    pub fn device(self) -> Device {
        self.device
    }

    /// Where a reduction has its vectors.
    #[must_use]
    pub fn memory(self) -> Memory {
        match self.kind {
            Kind::Processor => Memory::main(),
            Kind::AsGpu | Kind::Gpu => Memory::of_a_gpu(self.device),
        }
    }

    /// Whether floats can be read where they are, without libtorch.
    pub(crate) fn reads_in_place(self) -> bool {
        self.kind == Kind::Processor
    }

    /// Whether a loss is known as soon as the forward pass returns. On a GPU nobody waits for it then.
    pub(crate) fn knows_losses_at_once(self) -> bool {
        self.kind == Kind::Processor
    }

    /// Whether the device works only while the thread does, so that the thread's time is the device's.
    pub(crate) fn works_with_its_thread(self) -> bool {
        self.kind == Kind::Processor
    }

    /// Whether the device keeps the training set, and makes its batches itself.
    pub(crate) fn keeps_the_data(self) -> bool {
        self.kind != Kind::Processor
    }

    /// Whether copies to the device go by way of pinned memory. If not, tensors in main memory are there already.
    pub(crate) fn copies_by_pinned_memory(self) -> bool {
        self.kind == Kind::Gpu
    }

    /// Whether it can be out of order for the rest of the process's life. After some errors CUDA answers with the same
    /// one for ever.
    pub(crate) fn can_die(self) -> bool {
        self.kind == Kind::Gpu
    }

    /// What a group of this worker alone does collectives with. `gloo` says that NCCL is not to be used.
    pub(crate) fn backend(self, gloo: bool) -> Backend {
        if gloo { Backend::Gloo } else { Backend::for_device(self.device) }
    }

    /// Whether collectives by `backend` need copies in main memory. Gloo needs them of tensors on a GPU. A CPU that goes
    /// the way of a GPU makes them too, if `gloo` was asked for.
    pub(crate) fn stages(self, backend: Backend, gloo: bool) -> bool {
        let apart = match self.kind {
            Kind::Processor => false,
            Kind::AsGpu => gloo,
            Kind::Gpu => true,
        };
        apart && backend == Backend::Gloo
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gloo_copies_what_is_on_a_gpu_or_as_on_one() {
        let hardware = |device, kind| Hardware { device, kind };
        let (processor, as_gpu) = (hardware(Device::Cpu, Kind::Processor), hardware(Device::Cpu, Kind::AsGpu));
        let gpu = hardware(Device::Cuda(1), Kind::Gpu);
        let staged = |gloo| [processor, as_gpu, gpu].map(|hardware| hardware.stages(Backend::Gloo, gloo));
        assert_eq!((staged(true), staged(false)), ([false, true, true], [false, false, true]));
        let nccl = gpu.backend(false);
        assert_eq!(nccl, Backend::Nccl { device: 1 });
        assert!(!gpu.stages(nccl, false));
        assert_eq!(gpu.backend(true), Backend::Gloo);
        assert_eq!(processor.backend(false), Backend::Gloo);
    }
}
