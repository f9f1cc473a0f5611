//! `cargo xtask chaos`: the test of that name for as many faults as one wants, a night long.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::{cargo, setup, test};

/// How much is to go wrong.
#[derive(Debug, Args)]
pub struct Options {
    /// How many faults; the run is as long as they take.
    #[arg(long, default_value_t = 30)]
    faults: u32,
    /// Repeats a sequence of faults [default: drawn from the clock, and printed].
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the test.
pub fn chaos(options: &Options) -> Result<ExitCode> {
    setup::setup(false, None)?;
    let programs = cargo::build_programs()?;
    let mut command = cargo::cargo("test");
    command.args(["--release", "--package", "system-tests", "--test", "chaos", "--", "--nocapture"]);
    test::environment(&mut command, &programs);
    command.env("COXSWAIN_CHAOS_FAULTS", options.faults.to_string());
    if let Some(seed) = options.seed {
        command.env("COXSWAIN_CHAOS_SEED", seed.to_string());
    }
    let passed = command.status().context("cannot run cargo")?.success();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
