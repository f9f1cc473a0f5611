//! The wheels that hold libtorch, downloaded with pip.
//!
//! pip knows the registries, mirrors, proxies and certificates of this machine. Wheels are asked for one at a time. So
//! an interrupted set-up goes on at the first one that is not whole yet.

use std::env::consts::ARCH;
use std::ffi::OsString;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::run;
use crate::checksum;

/// A wheel, pinned.
#[derive(Debug, PartialEq, Eq)]
pub struct Wheel {
    /// `NAME==VERSION --hash=...`: a line of a requirements file.
    line: String,
    /// How the names of its files begin.
    prefix: String,
}

impl Wheel {
    /// The wheels that the text of a requirements file pins.
    pub fn parse(requirements: &str) -> Vec<Self> {
        let lines = requirements.lines().filter(|line| !line.starts_with('#'));
        let wheel = |line: &str| {
            let (name, version) = line.split_whitespace().next()?.split_once("==")?;
            Some(Self { line: line.to_owned(), prefix: format!("{}-{version}-", name.replace('-', "_")) })
        };
        lines.filter_map(wheel).collect()
    }

    /// Name and version.
    pub fn name(&self) -> &str {
        self.line.split_whitespace().next().unwrap_or_default()
    }

    /// The file of this wheel in `folder`, downloaded there if it is not whole already.
    pub fn get(&self, folder: &Path, pip: &[OsString]) -> Result<PathBuf> {
        if let Some(file) = self.find(folder)?
            && self.is_whole(&file).with_context(|| format!("cannot read {}", file.display()))?
        {
            return Ok(file);
        }
        // In a file of its own, as pip takes checksums from files only.
        let requirements = folder.join("requirement.txt");
        fs::write(&requirements, &self.line).with_context(|| format!("cannot write {}", requirements.display()))?;
        let mut command = Command::new(&pip[0]);
        command.args(&pip[1..]).args(["download", "--no-deps", "--only-binary=:all:", "--require-hashes"]);
        // Nothing of Python is run, so the wheel for any one version serves.
        command.args(["--python-version=3.11", "--implementation=cp", "--abi=cp311", "--abi=none"]);
        command.args(platforms().iter().map(|platform| format!("--platform={platform}")));
        command.arg("--disable-pip-version-check");
        if !io::stdout().is_terminal() {
            command.args(["--quiet", "--progress-bar=off"]);
        }
        command.arg("--dest").arg(folder).arg("--requirement").arg(&requirements);
        run(&mut command).with_context(|| format!("pip cannot download {}", self.name()))?;
        self.find(folder)?.with_context(|| format!("pip has left no {} in {}", self.name(), folder.display()))
    }

    fn find(&self, folder: &Path) -> Result<Option<PathBuf>> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let ours = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(&self.prefix) && path.extension().is_some_and(|extension| extension == "whl")
        };
        Ok(files.find(ours))
    }

    fn is_whole(&self, file: &Path) -> io::Result<bool> {
        Ok(self.line.contains(&format!("sha256:{}", checksum::of_file(file)?)))
    }
}

/// Checks that there are wheels for this kind of machine.
pub fn check_platform() -> Result<()> {
    if cfg!(target_os = "linux") && matches!(ARCH, "x86_64" | "aarch64") {
        return Ok(());
    }
    bail!(
        "set-up fetches libtorch for Linux on x86_64 and aarch64 only. Elsewhere set LIBTORCH to a libtorch 2.13.0, or \
         LIBTORCH_USE_PYTORCH=1 beside an installed PyTorch 2.13.0"
    );
}

/// What pip is to take for this platform: every glibc from the oldest that wheels name to the one PyTorch is built for.
fn platforms() -> Vec<String> {
    let named = (5..=28).rev().map(|minor| format!("manylinux_2_{minor}_{ARCH}"));
    named.chain([format!("manylinux2014_{ARCH}"), format!("manylinux1_{ARCH}")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_wheels_with_checksums() {
        let wheels = Wheel::parse("# why\nnvidia-cuda-runtime==13.0.96 --hash=sha256:aa --hash=sha256:bb\n\n");
        assert_eq!(wheels.len(), 1);
        assert_eq!(wheels[0].name(), "nvidia-cuda-runtime==13.0.96");
        assert_eq!(wheels[0].prefix, "nvidia_cuda_runtime-13.0.96-");
    }
}
