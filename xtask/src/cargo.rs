//! Running cargo from inside a program that cargo runs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// The packages with the three programs.
const PROGRAMS: [&str; 3] = ["coordinator", "worker", "client"];

/// `cargo SUBCOMMAND` on this workspace, in the environment that a person's own `cargo` would have. What cargo has added
/// to ours would make build scripts believe that something has changed, and build everything anew.
pub fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).arg("--manifest-path").arg(workspace::root().join("Cargo.toml"));
    let added = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"];
    for (name, value) in env::vars_os() {
        let own_libtorch = name == "LIBTORCH" && Path::new(&value) == workspace::libtorch();
        let from_cargo = name.to_str().is_some_and(|name| added.iter().any(|prefix| name.starts_with(prefix)));
        if own_libtorch || from_cargo {
            command.env_remove(name);
        }
    }
    command
}

/// Builds the three programs and returns the directory they are in.
pub fn build_programs() -> Result<PathBuf> {
    let mut build = cargo("build");
    build.arg("--release").args(PROGRAMS.iter().flat_map(|program| ["--package", program]));
    run(&mut build)?;
    Ok(target_directory()?.join("release"))
}

/// Runs `command`, which is to succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(status.success(), "{} failed ({status})", line(command));
    Ok(())
}

/// `command` as it would be typed.
pub fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let words = program.file_name().into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn target_directory() -> Result<PathBuf> {
    let output = cargo("metadata").args(["--format-version=1", "--no-deps"]).output().context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let directory = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(directory.into())
}
