//! `cargo xtask train`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{cargo, setup, workspace};

/// How the first run learns: a schedule that ends low by itself, so that chance decides little. What was measured is in
/// benches/README.md.
const RECIPE: [&str; 7] = [
    "--schedule=one-cycle",
    "--anneal=linear",
    "--pct-start=0.2",
    "--lr=0.4",
    "--nesterov=true",
    "--weight-decay=2.5e-4",
    "--epochs=9",
];

/// Every flag, as the coordinator's own tests hold it against the code.
const REFERENCE: &str = include_str!("../../docs/reference/settings.md");

/// Flags that say how to learn and belong to no group of settings.
const OF_NO_GROUP: [&str; 10] = [
    "--resume",
    "--model",
    "--stem",
    "--dataset",
    "--epochs",
    "--batch-size",
    "--lr",
    "--learning-rate",
    "--decay",
    "--augment",
];

/// All flags that say how to learn: those, and every setting of a group, such as the optimiser's. Who gives one of them has a
/// recipe of their own.
fn learning_flags() -> impl Iterator<Item = &'static str> {
    let section = REFERENCE.split_once("<!-- coordinator -->").map_or("", |(_, rest)| rest);
    let section = section.split_once("<!-- end of coordinator -->").map_or(section, |(section, _)| section);
    // The tables after the first heading are those of the groups.
    let groups = section.split_once("\n**").map_or("", |(_, groups)| groups);
    let name = |row: &'static str| row.strip_prefix("| `")?.split([' ', '`']).next();
    OF_NO_GROUP.into_iter().chain(groups.lines().filter_map(name))
}

/// Sets up, builds, and becomes the coordinator. `flags` are passed on. Those that name neither workers nor a configuration
/// file get two workers on this machine. Those that say nothing of how to learn get [`RECIPE`].
pub fn train(mut flags: Vec<String>) -> Result<ExitCode> {
    let data = value_of(&flags, "--data-dir").map(PathBuf::from);
    setup::setup(false, data.as_deref())?;
    let programs = cargo::build_programs()?;

    let configured = names(&flags, "--config");
    if !configured && data.is_none() && env::var_os("COXSWAIN_DATA_DIR").is_none() {
        flags.extend(["--data-dir".into(), workspace::data().to_string_lossy().into_owned()]);
    }
    if !configured && !names(&flags, "--workers") {
        flags.extend(["--workers".into(), "2".into()]);
    }
    if !configured && !says_how_to_learn(&flags) {
        flags.extend(RECIPE.map(String::from));
    }
    if !names(&flags, "--local") {
        flags.push("--local".into());
    }
    become_coordinator(&programs.join("coordinator"), &flags)
}

/// Whether `flags` or the environment say anything of how to learn.
fn says_how_to_learn(flags: &[String]) -> bool {
    learning_flags().any(|name| names(flags, name) || is_set(name))
}

/// Whether the variable of the coordinator's flag `name` is set.
fn is_set(name: &str) -> bool {
    let variable = format!("COXSWAIN{}", name.to_uppercase().replacen("--", "_", 1).replace('-', "_"));
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// Whether `flags` has the flag `name`, alone or with `=VALUE`.
fn names(flags: &[String], name: &str) -> bool {
    flags.iter().any(|flag| flag.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}

/// The value that `flags` gives to the flag `name`.
fn value_of<'a>(flags: &'a [String], name: &str) -> Option<&'a str> {
    flags.iter().enumerate().find_map(|(at, flag)| match flag.strip_prefix(name)? {
        "" => flags.get(at + 1).map(String::as_str),
        rest => rest.strip_prefix('='),
    })
}

/// Replaces this process, so that signals and the exit code are the coordinator's own.
#[cfg(unix)]
fn become_coordinator(program: &Path, flags: &[String]) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;

    let error = Command::new(program).args(flags).exec();
    Err(anyhow::Error::new(error).context(format!("cannot run {}", program.display())))
}

#[cfg(not(unix))]
fn become_coordinator(program: &Path, flags: &[String]) -> Result<ExitCode> {
    let code = Command::new(program).args(flags).status()?.code().unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_found_in_both_spellings() {
        let flags: Vec<String> = ["--workers=3", "--data-dir", "elsewhere", "--localhost"].map(String::from).into();
        assert!(names(&flags, "--workers") && !names(&flags, "--local"));
        assert_eq!(value_of(&flags, "--data-dir"), Some("elsewhere"));
        assert_eq!(value_of(&flags, "--workers"), Some("3"));
        assert_eq!(value_of(&flags, "--lr"), None);
    }

    #[test]
    fn who_says_how_to_learn_gets_no_recipe() {
        let says = |flags: &[&str]| says_how_to_learn(&flags.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(!says(&["--workers", "4", "--run-dir", "here", "--seed=7", "--limit-train", "512"]));
        for own in [
            "--epochs",
            "--nesterov",
            "--model=resnet18",
            "--stem",
            "--optimizer",
            "--ema-decay",
            "--warmup-epochs",
            "--augment",
        ] {
            assert!(says(&[own]), "{own}");
        }
        // The recipe is of such flags itself.
        for flag in RECIPE {
            assert!(says(&[flag]), "{flag}");
        }
    }
}
