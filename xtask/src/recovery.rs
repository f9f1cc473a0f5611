//! `cargo xtask recovery`: how long a killed worker holds the others up, beside torchrun.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use clap::Args;

use crate::{cargo, setup, test, workspace};

/// How often.
#[derive(Debug, Args)]
pub struct Options {
    /// Kills of a worker of coxswain.
    #[arg(long, default_value_t = 60)]
    kills: u32,
    /// Kills of a rank of torchrun, which takes some seconds for each; 0: leave it out.
    #[arg(long, default_value_t = 10)]
    torchrun_kills: u32,
}

/// Runs the test of that name for as many kills, and then the script that does the same to torchrun.
pub fn recovery(options: &Options) -> Result<ExitCode> {
    setup::setup(false, None)?;
    setup::python::setup()?;
    let programs = cargo::build_programs()?;
    let mut command = cargo::cargo("test");
    command.args(["--release", "--package", "system-tests", "--test", "recovery", "--", "--nocapture"]);
    test::environment(&mut command, &programs);
    command.env("COXSWAIN_KILLS", options.kills.to_string());
    let passed = command.status().context("cannot run cargo")?.success();
    if options.torchrun_kills > 0 {
        println!("torchrun with a checkpoint after every step:");
        let mut torchrun = Command::new(setup::python::interpreter());
        torchrun.arg(workspace::root().join("benches/torchrun_recovery.py"));
        cargo::run(torchrun.args(["--kills", &options.torchrun_kills.to_string()]))?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
