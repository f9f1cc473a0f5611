//! `cox`: watch a run, ask it, look at a model.

use clap::Parser;
use client::{Args, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                eprintln!("cox: {failure}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
