//! Running cargo from inside a program that cargo runs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

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
    programs()
}

/// A program that cargo has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    /// The package that it is a target of.
    pub package: String,
    /// The name of what it was made of: a program, a file of tests, or a library with tests in it.
    pub name: String,
    /// Whether it runs tests.
    pub is_test: bool,
    /// The folder of its package.
    pub folder: PathBuf,
    /// Where it is.
    pub path: PathBuf,
}

/// Runs `build`, a build or a test that is not run, and returns what it has made or found made.
pub fn executables(mut build: Command) -> Result<Vec<Executable>> {
    build.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let child = build.spawn().with_context(|| format!("cannot run {}", build.get_program().display()))?;
    let output = child.wait_with_output().context("cannot wait for cargo")?;
    ensure!(output.status.success(), "{} failed ({})", line(&build), output.status);
    let messages = String::from_utf8(output.stdout).context("cargo has said what is no text")?;
    Ok(messages.lines().filter_map(executable).collect())
}

/// The program that a message of cargo's tells of, if it does.
fn executable(message: &str) -> Option<Executable> {
    let message: Value = serde_json::from_str(message).ok()?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let path = text(&message["executable"])?.into();
    let id = text(&message["package_id"])?;
    // Of a package in a folder of another name the name follows.
    let (place, version) = id.rsplit_once('#')?;
    let package = version.split_once('@').map_or_else(|| place.rsplit('/').next(), |(name, _)| Some(name))?;
    Some(Executable {
        package: package.to_owned(),
        name: text(&message["target"]["name"])?,
        is_test: message["profile"]["test"].as_bool()?,
        folder: Path::new(&text(&message["manifest_path"])?).parent()?.to_owned(),
        path,
    })
}

/// Where cargo puts the programs that are built for use.
pub fn programs() -> Result<PathBuf> {
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
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?;
    let directory = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(directory.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_with_their_package() {
        let message = |id: &str, test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"{id}","manifest_path":"/w/tests/Cargo.toml",
                "target":{{"kind":["test"],"name":"chaos"}},"profile":{{"test":{test}}},"executable":"/w/target/chaos-1"}}"#
            )
        };
        let found = executable(&message("path+file:///w/tests#system-tests@0.1.0", true)).unwrap();
        assert_eq!((found.package.as_str(), found.name.as_str(), found.is_test), ("system-tests", "chaos", true));
        assert_eq!(found.folder, Path::new("/w/tests"));
        assert_eq!(executable(&message("path+file:///w/crates/plan#0.1.0", false)).unwrap().package, "plan");
        assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
