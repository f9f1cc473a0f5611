//! Where things are.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn root() -> PathBuf {
    // Cargo sets the variable when it runs this program; the other is for a program run without cargo.
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().map_or_else(|| package.clone(), Path::to_path_buf)
}

/// Where libtorch goes. `.cargo/config.toml` points `LIBTORCH` here.
pub fn libtorch() -> PathBuf {
    root().join(".libtorch")
}

/// Where `check-cuda` keeps a libtorch for GPUs, beside the one that everything else uses.
pub fn libtorch_cuda() -> PathBuf {
    root().join("target/libtorch-cuda")
}

/// Where CIFAR-10 goes unless told otherwise.
pub fn data() -> PathBuf {
    root().join("data")
}

/// The virtual environment of the comparisons with PyTorch.
pub fn python() -> PathBuf {
    root().join(".python")
}
