//! `cargo xtask bench predictions` and `cargo xtask bench slowdown`: programs of benches/ that need no PyTorch.

use std::process::Command;

use anyhow::Result;
use clap::Subcommand;

use crate::{cargo, setup, workspace};

/// What else can be measured.
#[derive(Debug, Subcommand)]
pub enum Measure {
    /// Predictions of a served checkpoint: with 1, 8 and 64 who ask, and beside bare libtorch.
    Predictions(Flags),
    /// What training loses to those who ask for predictions, and to those who look on.
    Slowdown(Flags),
}

/// Flags of the program that measures.
#[derive(Debug, clap::Args)]
pub struct Flags {
    /// Flags of the program that measures; --help tells of them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    flags: Vec<String>,
}

/// Builds the program and runs it.
pub fn measure(measure: &Measure) -> Result<()> {
    setup::setup(false, None)?;
    let programs = cargo::build_programs()?;
    let (name, flags) = match measure {
        Measure::Predictions(flags) => ("predictions", flags),
        Measure::Slowdown(flags) => ("slowdown", flags),
    };
    cargo::run(cargo::cargo("build").args(["--release", "--package", "benches", "--bin", name]))?;
    let mut command = Command::new(programs.join(name));
    if let Measure::Slowdown(_) = measure {
        command.arg("--data-dir").arg(workspace::data());
    }
    cargo::run(command.args(&flags.flags))
}
