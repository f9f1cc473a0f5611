//! What of the wheels goes where in libtorch's directory.

use std::path::{Component, Path, PathBuf};

/// What libtorch is to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// CPUs only. PyTorch's wheel is built for CUDA, so two small libraries of CUDA are needed to load it.
    Cpu,
    /// NVIDIA GPUs too.
    Cuda,
}

/// Libraries of PyTorch that only Python needs.
const OF_PYTHON: [&str; 3] = ["libtorch_python.so", "libshm.so", "libtorch_global_deps.so"];

/// Libraries of PyTorch that need all of CUDA. `libtorch.so` is one: it does nothing but pull in the others.
const OF_CUDA: [&str; 6] = [
    "libtorch.so",
    "libtorch_cuda.so",
    "libtorch_cuda_linalg.so",
    "libc10_cuda.so",
    "libcaffe2_nvrtc.so",
    "libtorch_nvshmem.so",
];

/// All that `libtorch_cpu.so` needs of CUDA.
const OF_CUDA_FOR_CPU: [&str; 2] = ["libcudart.so.13", "libcupti.so.13"];

/// Where file `entry` of a wheel goes, relative to libtorch's directory; `None` for what is not needed.
pub fn destination(entry: &Path, flavour: Flavour) -> Option<PathBuf> {
    let parts: Vec<&str> = entry
        .components()
        .filter_map(|part| if let Component::Normal(name) = part { name.to_str() } else { None })
        .collect();
    match parts.as_slice() {
        ["torch", "include", rest @ ..] => Some(Path::new("include").join(rest.iter().collect::<PathBuf>())),
        ["torch", "lib", name] if is_library(name) => {
            let left_out = OF_PYTHON.contains(name) || (flavour == Flavour::Cpu && OF_CUDA.contains(name));
            (!left_out).then(|| Path::new("lib").join(name))
        }
        // CUDA's headers look for those of its C++ library without the folder that they lie in.
        ["nvidia", _, "include", "cccl", rest @ ..] | ["nvidia", _, "include", rest @ ..]
            if flavour == Flavour::Cuda =>
        {
            Some(Path::new("include").join(rest.iter().collect::<PathBuf>()))
        }
        ["nvidia", _, "lib", name] if is_library(name) => {
            let needed = flavour == Flavour::Cuda || OF_CUDA_FOR_CPU.contains(name);
            needed.then(|| Path::new("lib").join(name))
        }
        _ => None,
    }
}

fn is_library(name: &str) -> bool {
    // NVRTC comes in a second build with an ending of its own, which nothing loads.
    (name.contains(".so.") || Path::new(name).extension().is_some_and(|extension| extension == "so"))
        && !name.contains(".alt.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes(entry: &str, flavour: Flavour) -> Option<String> {
        destination(Path::new(entry), flavour).map(|path| path.to_string_lossy().into_owned())
    }

    #[test]
    fn a_cpu_takes_two_libraries_of_cuda_and_a_gpu_takes_all() {
        let table = [
            ("torch/include/ATen/ATen.h", Some("include/ATen/ATen.h"), Some("include/ATen/ATen.h")),
            ("torch/lib/libtorch_cpu.so", Some("lib/libtorch_cpu.so"), Some("lib/libtorch_cpu.so")),
            ("torch/lib/libgomp.so.1", Some("lib/libgomp.so.1"), Some("lib/libgomp.so.1")),
            ("torch/lib/libtorch.so", None, Some("lib/libtorch.so")),
            ("torch/lib/libtorch_cuda.so", None, Some("lib/libtorch_cuda.so")),
            ("torch/lib/libtorch_python.so", None, None),
            ("torch/__init__.py", None, None),
            ("nvidia/cu13/lib/libcudart.so.13", Some("lib/libcudart.so.13"), Some("lib/libcudart.so.13")),
            ("nvidia/cu13/lib/libcudart_static.a", None, None),
            ("nvidia/nccl/lib/libnccl.so.2", None, Some("lib/libnccl.so.2")),
            ("nvidia/nccl/include/nccl.h", None, Some("include/nccl.h")),
            ("nvidia/cu13/include/cccl/nv/target", None, Some("include/nv/target")),
            ("nvidia/cu13/lib/libnvrtc.alt.so.13", None, None),
        ];
        for (entry, cpu, cuda) in table {
            assert_eq!(goes(entry, Flavour::Cpu).as_deref(), cpu, "{entry}");
            assert_eq!(goes(entry, Flavour::Cuda).as_deref(), cuda, "{entry}");
        }
    }
}
