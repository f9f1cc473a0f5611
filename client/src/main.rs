//! `cox`: watch a run, ask it, look at a model.

use client::{Args, NAME, run};
use program::{Format, say};
use std::{ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    let args = match Args::read(&line) {
        Ok(args) => args,
        Err(usage) => return ExitCode::from(usage.tell(NAME, Format::Text)),
    };
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                say(NAME, &failure);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}
