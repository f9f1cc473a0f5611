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

/// Whether `device` multiplies bf16 matrices in hardware.
#[must_use]
pub fn has_bf16(device: Device) -> bool {
    match device {
        // Every GPU that CUDA 13 supports is of compute capability 7.5 or above; those of 8.0 and above have bf16. What
        // this one is cannot be asked through tch.
        Device::Cuda(_) => true,
        #[cfg(target_arch = "x86_64")]
        _ => std::arch::is_x86_feature_detected!("avx512bf16"),
        #[cfg(not(target_arch = "x86_64"))]
        _ => false,
    }
}

/// What the device is called, for people.
#[must_use]
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("NVIDIA GPU {index}"),
        _ => std::fs::read_to_string("/proc/cpuinfo")
            .ok()
            .and_then(|text| {
                let line = text.lines().find(|line| line.starts_with("model name"))?;
                Some(line.split_once(':')?.1.trim().to_owned())
            })
            .unwrap_or_else(|| "CPU".to_owned()),
    }
}
