//! The device of a worker.

use crate::{Args, Error, gpu::Gpu};
use tch::Device;

/// The device that `args` names.
///
/// # Errors
/// If it is a GPU that is not there; the error says what to do.
pub fn device(args: &Args) -> Result<Device, Error> {
    let Some(index) = args.gpu else {
        if args.as_gpu {
            operations::go_as_on_a_gpu();
        }
        return Ok(Device::Cpu);
    };
    if !cfg!(feature = "cuda") {
        return Err(Error::Device(format!(
            "--gpu {index}: this worker was built without CUDA; run `cargo xtask setup --cuda`, then build it with \
             `cargo build --release -p worker --features cuda`, or use --cpu"
        )));
    }
    if !tch::Cuda::is_available() {
        return Err(Error::Device(format!(
            "--gpu {index}: CUDA finds no GPU on this machine; see whether `nvidia-smi` lists one and the driver is \
             recent enough for CUDA 13, or use --cpu"
        )));
    }
    let count = tch::Cuda::device_count();
    if index as i64 >= count {
        return Err(Error::Device(format!(
            "--gpu {index}: this machine has {count} GPUs, numbered from 0 (CUDA_VISIBLE_DEVICES can hide some)"
        )));
    }
    Ok(Device::Cuda(index))
}

/// Whether `device` has matrix units for bf16, so that bf16 is the quicker arithmetic. AVX512-BF16 alone does not
/// count. On a processor that has it without AMX, libtorch multiplied bf16 matrices at 0.55 times the rate of fp32
/// ones. It trained ResNet-20 at 0.77 times. Those of aarch64 (`FEAT_BF16`, which has `BFMMLA`) count, and were never
/// measured.
#[must_use]
pub fn has_bf16(device: Device) -> bool {
    match device {
        // Nearly all GPUs have them. One of which nothing is known is taken for such a GPU.
        Device::Cuda(index) => Gpu::at(index).is_none_or(|gpu| gpu.has_bf16()),
        _ => Processor::this().has_any(&["amx_bf16", "bf16"]),
    }
}

/// What decides the bits of the device's arithmetic. Workers of different kinds come to different weights. A GPU's kind
/// is `cuda` and its compute capability. A CPU's is its vendor, the instruction set that libtorch uses there, and what
/// it has beyond for bf16.
#[must_use]
pub fn kind(device: Device) -> String {
    if let Device::Cuda(index) = device {
        let capability = Gpu::at(index).map(|gpu| format!(" {}.{}", gpu.capability.0, gpu.capability.1));
        return format!("cuda{}", capability.unwrap_or_default());
    }
    let processor = Processor::this();
    let beyond = [("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16"), ("bf16", "BF16")];
    let beyond = beyond.into_iter().find(|(feature, _)| processor.has_any(&[feature])).map(|(_, name)| name);
    let vendor = processor.says("vendor_id").unwrap_or(std::env::consts::ARCH);
    let way = (!operations::is_processors(device)).then_some("as a GPU");
    let less = operations::asked_instruction_set().ok().flatten().map(|asked| format!("with {asked}"));
    let capability = operations::cpu_capability();
    let words = [vendor, capability.as_str()].into_iter().chain(beyond).chain(way).chain(less.as_deref());
    words.collect::<Vec<_>>().join(" ")
}

/// What the device is called, for people.
#[must_use]
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => Gpu::at(index).map_or_else(|| format!("NVIDIA GPU {index}"), |gpu| gpu.name),
        _ => Processor::this().says("model name").unwrap_or("CPU").to_owned(),
    }
}

/// What tells the GPU from all others; empty on a CPU. By it two workers on one GPU are known.
#[must_use]
pub fn gpu_id(device: Device) -> String {
    match device {
        Device::Cuda(index) => Gpu::at(index).map(|gpu| gpu.id).unwrap_or_default(),
        _ => String::new(),
    }
}

/// What Linux says of the first processor, in the form of `/proc/cpuinfo`.
struct Processor(String);

impl Processor {
    /// This machine's processor. If Linux says nothing of it, it has no features.
    fn this() -> Self {
        Self(std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default())
    }

    fn says(&self, key: &str) -> Option<&str> {
        self.0
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim())
    }

    /// Whether it has any of `features`: x86 calls them flags.
    fn has_any(&self, features: &[&str]) -> bool {
        let said = self.says("flags").or_else(|| self.says("Features")).unwrap_or_default();
        said.split(' ').any(|feature| features.contains(&feature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_read_from_where_they_are() {
        let x86 = Processor("vendor_id\t: GenuineIntel\nflags\t\t: fpu avx512_bf16 amx_bf16\nbugs: x\n".to_owned());
        assert_eq!(x86.says("vendor_id"), Some("GenuineIntel"));
        assert!(x86.has_any(&["amx_bf16", "bf16"]) && !x86.has_any(&["bf16"]));
        let without = Processor("flags : fpu avx512_bf16\n".to_owned());
        assert!(!without.has_any(&["amx_bf16", "bf16"]));
        let arm = Processor("processor\t: 0\nFeatures\t: fp asimd sve i8mm bf16\nCPU part : 0xd40\n".to_owned());
        assert!(arm.has_any(&["amx_bf16", "bf16"]) && arm.says("vendor_id").is_none());
        assert!(!Processor(String::new()).has_any(&["bf16"]));
    }
}
