//! `cargo xtask check-cuda`: what can be known about GPUs without one.
//!
//! Builds everything with the feature `cuda` against the libtorch for GPUs, and runs what runs without a device: NCCL's
//! version, and the errors of a worker that is told to use a GPU. Tests that need one say that they are skipped; on a machine
//! that has one they run.

use std::{path::Path, process::Command, time::Instant};

use anyhow::{Context, Result, ensure};

use crate::{cargo, setup, test, workspace};

/// Fetches, builds and runs it.
pub fn check_cuda() -> Result<()> {
    let folder = workspace::libtorch_cuda();
    setup::setup(false, None)?;
    setup::libtorch::setup_cuda_in(setup::libtorch::OURS, &folder)?;
    let target = workspace::root().join("target/cuda");
    let cargo = |subcommand: &str| {
        let mut command = cargo::cargo(subcommand);
        command.env("LIBTORCH", &folder).env_remove("LIBTORCH_USE_PYTORCH").env("CARGO_TARGET_DIR", &target);
        command
    };
    let packages = [
        "--release",
        "--package",
        "worker",
        "--package",
        "engine",
        "--package",
        "nccl-rs",
        "--features",
        "worker/cuda,engine/cuda,nccl-rs/cuda",
    ];
    let start = Instant::now();
    cargo::run(cargo("clippy").args(packages).args(["--all-targets", "--", "--deny", "warnings"]))?;
    cargo::run(cargo("test").args(packages).args(["--test", "cuda", "--test", "resident"]))?;
    cargo::run(cargo("build").args(packages).args(["--package", "coordinator"]))?;
    let programs = target.join("release");
    refuses_without_a_gpu(&programs.join("worker"))?;
    let mut systems = cargo("test");
    systems.args(["--release", "--package", "system-tests", "--test", "gpu", "--", "--test-threads=1"]);
    test::environment(&mut systems, &programs);
    cargo::run(&mut systems)?;
    println!(
        "everything compiles, links and runs against CUDA, as far as it can without a GPU: {:.0?}",
        start.elapsed()
    );
    Ok(())
}

/// A worker that is linked against CUDA starts. It says that there is no GPU or, on a machine with GPUs, that there is
/// no hundredth.
fn refuses_without_a_gpu(worker: &Path) -> Result<()> {
    /// Of a worker without its device.
    const NO_DEVICE: i32 = 5;
    let mut command = Command::new(worker);
    command.args(["--gpu", "99", "--coordinator", "http://127.0.0.1:9"]);
    let output = command.output().with_context(|| format!("cannot start {}", worker.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(NO_DEVICE), "{command:?} ended with {}: {errors}", output.status);
    println!("a worker for GPU 99 ends with: {}", errors.trim());
    Ok(())
}
