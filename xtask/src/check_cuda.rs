//! `cargo xtask check-cuda`: what can be known about GPUs without one.
//!
//! Builds everything with the feature `cuda` against the libtorch for GPUs, and runs what runs without a device: NCCL's
//! version, and the errors of a worker that is told to use a GPU.

use std::time::Instant;

use anyhow::Result;

use crate::{cargo, setup, workspace};

/// Fetches, builds and runs it.
pub fn check_cuda() -> Result<()> {
    let folder = workspace::libtorch_cuda();
    setup::libtorch::setup_cuda_in(&folder)?;
    let target = workspace::root().join("target/cuda");
    let cargo = |subcommand: &str| {
        let mut command = cargo::cargo(subcommand);
        command.env("LIBTORCH", &folder).env_remove("LIBTORCH_USE_PYTORCH").env("CARGO_TARGET_DIR", &target);
        command
    };
    let packages =
        ["--release", "--package", "worker", "--package", "nccl-rs", "--features", "worker/cuda,nccl-rs/cuda"];
    let start = Instant::now();
    cargo::run(cargo("clippy").args(packages).args(["--all-targets", "--", "--deny", "warnings"]))?;
    cargo::run(cargo("test").args(packages).args(["--test", "cuda"]))?;
    println!(
        "everything compiles, links and runs against CUDA, as far as it can without a GPU: {:.0?}",
        start.elapsed()
    );
    Ok(())
}
