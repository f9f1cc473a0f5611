//! `cargo xtask gpu-kit`: packs the programs, the tests that need a GPU and a small data set. The kit is for a machine
//! with a GPU and an older PyTorch, without Rust and without a network.
//!
//! The workspace's own versions stay as they are. A copy of its sources is built with the bindings for that PyTorch.

mod pack;
mod source;

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use clap::Args;

use crate::setup::libtorch::{self, OLDER, Release};
use crate::{cargo, setup, workspace};

/// For which machine.
#[derive(Debug, Args)]
pub struct Options {
    /// The PyTorch of the machine.
    #[arg(long, default_value = "2.11", value_parser = ["2.11"])]
    torch: String,
}

/// Bindings for a release of libtorch.
struct Bindings {
    release: Release,
    /// The version of `tch` and `torch-sys`.
    tch: &'static str,
}

/// The tests that go into the kit.
const TESTS: [&str; 5] = ["cuda", "resident", "optimizers_on_a_gpu", "parity_on_a_gpu", "gpu"];

/// The packages of these programs and tests. All are built at once: apart, what they need would be built twice.
const PACKAGES: [&str; 9] =
    ["coordinator", "worker", "client", "engine", "nccl-rs", "learn", "network", "system-tests", "importers"];

/// With CUDA, and for the data set that is carried.
const FEATURES: &str = "worker/cuda,engine/cuda,nccl-rs/cuda,importers/few";

/// Builds the kit and packs it.
pub fn gpu_kit(options: &Options) -> Result<()> {
    let bindings = match options.torch.as_str() {
        "2.11" => Bindings { release: OLDER, tch: "0.24" },
        other => bail!("there are no bindings for PyTorch {other}"),
    };
    setup::setup(false, None)?;
    let place = workspace::root().join("target/gpu-kit");
    let libtorch = place.join(format!("libtorch-{}", bindings.release.version));
    libtorch::setup_cuda_in(bindings.release, &libtorch)?;
    let sources = place.join("source");
    source::copy(&workspace::root(), &sources, bindings.tch)?;

    let made = cargo::executables(build(&sources, &libtorch, &place.join("target")))?;
    let (tests, programs): (Vec<_>, Vec<_>) = made.into_iter().partition(|made| made.is_test);
    let kit = place.join("kit");
    pack::pack(&kit, bindings.release.version, &programs, &tests)?;
    let archive = pack::archive(&kit, &place.join("coxswain-gpu-kit.tar.gz"))?;
    println!(
        "the kit is {} ({:.1} MiB). Where the GPU is: tar xf {}, then python3 kit/kit.py",
        archive.path.display(),
        archive.bytes as f64 / f64::from(1 << 20),
        archive.path.file_name().unwrap_or_default().display()
    );
    Ok(())
}

/// The command that builds the copied `sources`.
fn build(sources: &Path, libtorch: &Path, target: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(sources).args(["build", "--release", "--bins", "--features", FEATURES]);
    command.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    command.args(TESTS.iter().flat_map(|test| ["--test", test]));
    // Nobody debugs the machine code there. Without symbols the kit is a fifth of the size.
    command.env("CARGO_PROFILE_RELEASE_DEBUG", "false").env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    command.env("LIBTORCH", libtorch).env_remove("LIBTORCH_USE_PYTORCH").env("CARGO_TARGET_DIR", target);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_")) {
        command.env_remove(name);
    }
    command
}
