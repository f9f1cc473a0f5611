//! The virtual environment of the comparisons with PyTorch.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::tools;
use crate::cargo::run;
use crate::{stamp, workspace};

const REQUIREMENTS: &str = include_str!("../../requirements/python.txt");

/// The interpreter of the environment.
pub fn interpreter() -> PathBuf {
    workspace::python().join("bin/python")
}

/// Makes sure that the environment is there, with the packages that `requirements/python.txt` pins.
pub fn setup() -> Result<()> {
    let folder = workspace::python();
    let stamp = folder.join(".stamp");
    // Through the link to the machine's Python: an upgrade of that one makes the environment anew.
    let look = ["bin/python".to_owned()];
    if stamp::holds(&stamp, REQUIREMENTS, &folder) {
        println!("the Python environment is in {}: nothing to do", folder.display());
        return Ok(());
    }
    tools::python()?;
    if !has_pip() {
        println!("making a Python environment in {}", folder.display());
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    }
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).with_context(|| format!("cannot write {}", requirements.display()))?;
    println!("installing PyTorch for comparisons (takes minutes)");
    let mut pip = Command::new(interpreter());
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]);
    if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        pip.args(["--quiet", "--progress-bar=off"]);
    }
    run(pip.arg("--requirement").arg(&requirements))?;
    stamp::write(&stamp, REQUIREMENTS, &folder, &look).with_context(|| format!("cannot write {}", stamp.display()))
}

/// Whether an environment is there that an interrupted installation can go on in.
fn has_pip() -> bool {
    let mut command = Command::new(interpreter());
    command.args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
