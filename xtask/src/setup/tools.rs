//! Programs that set-up needs from the machine.

use std::env;
use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// Checks that there is a C++ compiler: the bindings to libtorch are compiled on this machine.
pub fn compiler() -> Result<()> {
    let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    if works(&compiler, &["--version"]) {
        return Ok(());
    }
    bail!(
        "the C++ compiler `{}` does not run. Install one (Debian, Ubuntu: `apt-get install g++`; Fedora: \
         `dnf install gcc-c++`) or name one in CXX",
        compiler.display()
    );
}

/// pip, as the words of its command.
pub fn pip() -> Result<Vec<OsString>> {
    for (program, before) in [("python3", &["-m", "pip"][..]), ("pip3", &[])] {
        if works(program, &[before, &["--version"]].concat()) {
            return Ok(std::iter::once(program).chain(before.iter().copied()).map(OsString::from).collect());
        }
    }
    bail!(
        "neither `python3 -m pip` nor `pip3` runs. Install pip (Debian, Ubuntu: `apt-get install python3-pip`; Fedora: \
         `dnf install python3-pip`), or set LIBTORCH to a libtorch 2.13.0 that you have"
    );
}

/// Checks that there is a Python new enough for the comparisons, and that it can make virtual environments.
pub fn python() -> Result<()> {
    if !works("python3", &["--version"]) {
        bail!(
            "`python3` does not run. Install it (Debian, Ubuntu: `apt-get install python3 python3-venv`; Fedora: \
             `dnf install python3`)"
        );
    }
    if !works("python3", &["-c", "import sys; sys.exit(sys.version_info < (3, 11))"]) {
        bail!("the comparisons with PyTorch need Python 3.11 or newer as `python3`, and this one is older");
    }
    if !works("python3", &["-c", "import venv, ensurepip"]) {
        bail!("this Python cannot make virtual environments (Debian, Ubuntu: `apt-get install python3-venv`)");
    }
    Ok(())
}

fn works(program: impl Into<OsString>, args: &[&str]) -> bool {
    let mut command = Command::new(program.into());
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
