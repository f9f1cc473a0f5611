//! The device of a worker.

use crate::{Args, Error};
use tch::Device;

/// The device that `args` names.
///
/// # Errors
/// If it is a GPU that is not there; the error says what to do.
pub fn device(args: &Args) -> Result<Device, Error> {
    let Some(index) = args.gpu else { return Ok(Device::Cpu) };
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

/// Whether `device` has matrix units for bf16, so that bf16 is the quicker arithmetic. AVX512-BF16 alone does not count:
/// on a processor that has it without AMX, libtorch multiplied bf16 matrices at 0.55 times the rate of fp32 ones, and
/// trained ResNet-20 at 0.77 times.
#[must_use]
pub fn has_bf16(device: Device) -> bool {
    match device {
        // Every GPU that CUDA 13 supports is of compute capability 7.5 or above; those of 8.0 and above have bf16. What
        // this one is cannot be asked through tch.
        Device::Cuda(_) => true,
        _ => cpu_info("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "amx_bf16")),
    }
}

/// What decides the bits of the device's arithmetic: for a CPU its vendor and the instruction set that libtorch uses there, with
/// what it has beyond for bf16. Workers of different kinds come to different weights.
#[must_use]
pub fn kind(device: Device) -> String {
    if device != Device::Cpu {
        return "cuda".to_owned();
    }
    let flags = cpu_info("flags").or_else(|| cpu_info("Features")).unwrap_or_default();
    let has = |wanted: &str| flags.split(' ').any(|flag| flag == wanted);
    let beyond: &[&str] = if has("amx_bf16") {
        &["AMX"]
    } else if has("avx512_bf16") {
        &["AVX512-BF16"]
    } else {
        &[]
    };
    let vendor = cpu_info("vendor_id").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    [vendor.as_str(), operations::cpu_capability().as_str()].iter().chain(beyond).copied().collect::<Vec<_>>().join(" ")
}

/// What the device is called, for people.
#[must_use]
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("NVIDIA GPU {index}"),
        _ => cpu_info("model name").unwrap_or_else(|| "CPU".to_owned()),
    }
}

/// What Linux says of the first processor under `key`.
fn cpu_info(key: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
