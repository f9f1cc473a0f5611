//! `cargo xtask gpu-kit`: the programs, the tests that need a GPU and a small data set, for a machine with a GPU and an older
//! PyTorch, without Rust and without a network.
//!
//! The workspace's own versions stay as they are: a copy of its sources is built, with the bindings for that PyTorch.

mod pack;
mod source;

use std::path::{Path, PathBuf};
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

/// What is built, with its cargo flags: programs, and tests that are programs too.
const PROGRAMS: &[&str] = &["--package", "coordinator", "--package", "worker", "--package", "client"];
const CARRIED: [&str; 3] = ["cuda", "resident", "gpu"];
const TESTS: &[&str] = &[
    "--package",
    "nccl-rs",
    "--package",
    "worker",
    "--package",
    "system-tests",
    "--test",
    "cuda",
    "--test",
    "resident",
    "--test",
    "gpu",
];
/// With CUDA, and for the data set that is carried.
const FEATURES: &[&str] = &["--release", "--package", "cifar", "--features", "worker/cuda,nccl-rs/cuda,cifar/few"];

/// Builds and packs it.
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

    let build = Build { sources: &sources, libtorch: &libtorch, target: place.join("target") };
    let programs = build.executables("build", PROGRAMS)?;
    let tests = build.executables("test", &[TESTS, &["--no-run"]].concat())?;
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

/// A build of the copied sources.
struct Build<'a> {
    sources: &'a Path,
    libtorch: &'a Path,
    target: PathBuf,
}

impl Build<'_> {
    /// Runs `cargo SUBCOMMAND` with `flags`, and returns the programs that it has made.
    fn executables(&self, subcommand: &str, flags: &[&str]) -> Result<Vec<PathBuf>> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.arg(subcommand).args(flags).args(FEATURES).current_dir(self.sources);
        // Nobody looks for a fault in the machine code there: without its names the kit is a fifth of the size.
        command.env("CARGO_PROFILE_RELEASE_DEBUG", "false").env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
        command.env("LIBTORCH", self.libtorch).env_remove("LIBTORCH_USE_PYTORCH").env("CARGO_TARGET_DIR", &self.target);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_")) {
            command.env_remove(name);
        }
        let tests = subcommand == "test";
        let made = cargo::executables(command)?.into_iter();
        // A library with tests in it is none of what travels.
        let wanted =
            |made: &cargo::Executable| made.is_test == tests && (!tests || CARRIED.contains(&made.name.as_str()));
        Ok(made.filter(wanted).map(|made| made.path).collect())
    }
}
