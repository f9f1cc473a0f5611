//! `cargo xtask pictures`: the pictures of the README and the guide, from a run.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::{cargo, setup, test, workspace};

/// What is shown, and where it goes.
#[derive(Debug, Args)]
pub struct Options {
    /// The directory of a run that is over. It is copied. Settings that are no defaults are given in the environment.
    run: PathBuf,
    /// Where the pictures go [default: docs/pictures, in the workspace].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the test that shows a run in every way.
pub fn pictures(options: &Options) -> Result<ExitCode> {
    setup::setup(false, None)?;
    let programs = cargo::build_programs()?;
    let run = fs::canonicalize(&options.run).with_context(|| format!("{} is no run", options.run.display()))?;
    let out = options.out.clone().unwrap_or_else(|| workspace::root().join("docs/pictures"));
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let out = fs::canonicalize(&out).with_context(|| format!("cannot find {}", out.display()))?;
    let mut command = cargo::cargo("test");
    command.args(["--release", "--package", "system-tests", "--test", "showcase", "--", "--nocapture"]);
    test::environment(&mut command, &programs);
    command.env("COXSWAIN_SHOW_RUN", run).env("COXSWAIN_SHOW_OUT", out);
    let passed = command.status().context("cannot run cargo")?.success();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
