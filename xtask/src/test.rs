//! `cargo xtask test`.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{cargo, setup, workspace};

/// The package of the tests that start whole systems.
const SYSTEM_TESTS: &str = "system-tests";

/// Sets up, builds, and runs the tests. Those of the whole system use every core, so they come last, one at a time.
pub fn test(args: &[String]) -> Result<ExitCode> {
    let mut stages = Stages::default();
    stages.run("set-up", || setup::setup(false, None))?;
    stages.run("Python environment", setup::python::setup)?;
    let programs = stages.run("building the programs", cargo::build_programs)?;

    let (ours, theirs) = split(args);
    let mut passed = true;
    for Stage { name: stage, packages, threads, variables } in plan(ours) {
        let mut command = cargo::cargo("test");
        command.arg("--release").args(packages).args(ours).arg("--").args(threads).args(theirs);
        command.envs(variables.iter().copied());
        environment(&mut command, &programs);
        println!("\n== {stage}: {}", cargo::line(&command));
        passed &= stages.run(stage, || command.status().context("cannot run cargo"))?.success();
    }
    stages.print();
    println!("{}", if passed { "all tests passed" } else { "some tests failed: see above" });
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Arguments of cargo, and after `--` those of the test programs.
fn split(args: &[String]) -> (&[String], &[String]) {
    match args.iter().position(|arg| arg == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (args, &[]),
    }
}

/// Tests that are run together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stage {
    name: &'static str,
    packages: &'static [&'static str],
    /// Flags of the test programs.
    threads: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
}

/// As on a processor that has AVX2 and no more, and on one that has nothing.
const AVX2: &[(&str, &str)] =
    &[("COXSWAIN_INSTRUCTION_SET", "avx2"), ("ATEN_CPU_CAPABILITY", "avx2"), ("ONEDNN_MAX_CPU_ISA", "AVX2")];
const NOTHING: &[(&str, &str)] =
    &[("COXSWAIN_INSTRUCTION_SET", "none"), ("ATEN_CPU_CAPABILITY", "default"), ("ONEDNN_MAX_CPU_ISA", "SSE41")];

/// What the processor decides: the kernels, the network, a step.
const KERNELS: &[&str] = &["--no-fail-fast", "--package", "operations", "--package", "network", "--package", "worker"];

/// What to run. Packages that somebody names replace ours.
fn plan(ours: &[String]) -> Vec<Stage> {
    const ONE_THREAD: &[&str] = &["--test-threads=1"];
    let named = |arg: &String| arg.starts_with("-p") || arg.starts_with("--package") || arg == "--workspace";
    let usual = |name, packages, threads| Stage { name, packages, threads, variables: &[] };
    if ours.iter().any(named) {
        let system = ours.iter().any(|arg| arg.contains(SYSTEM_TESTS));
        return vec![usual("tests", &[], if system { ONE_THREAD } else { &[] })];
    }
    let stage = |name, packages, threads, variables| Stage { name, packages, threads, variables };
    let p1: &[&str] = &["--package", SYSTEM_TESTS, "--test", "same_bytes"];
    vec![
        usual("tests of the crates", &["--no-fail-fast", "--workspace", "--exclude", SYSTEM_TESTS], &[]),
        stage("the kernels with AVX2 alone", KERNELS, &[], AVX2),
        stage("the kernels with nothing", KERNELS, &[], NOTHING),
        stage("the same bytes with AVX2 alone", p1, &["--test-threads=1", "workers_in_fp32"], AVX2),
        usual("tests of the whole system", &["--no-fail-fast", "--package", SYSTEM_TESTS], ONE_THREAD),
    ]
}

/// Where tests find the data, the Python environment and the programs.
pub fn environment(command: &mut Command, programs: &Path) {
    command
        .env("COXSWAIN_DATA_DIR", workspace::data())
        .env("COXSWAIN_PYTHON", setup::python::interpreter())
        .env("COXSWAIN_BIN_DIR", programs);
}

/// How long each stage took.
#[derive(Default)]
struct Stages(Vec<(&'static str, Duration)>);

impl Stages {
    fn run<T>(&mut self, name: &'static str, stage: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let result = stage();
        self.0.push((name, start.elapsed()));
        result
    }

    fn print(&self) {
        println!();
        for (name, took) in &self.0 {
            println!("{name:.<30} {:>8.1} s", took.as_secs_f64());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_go_to_cargo_and_to_the_test_programs() {
        let args: Vec<String> = ["filter", "--", "--nocapture"].map(String::from).into();
        assert_eq!(split(&args), (&args[..1], &args[2..]));
        assert_eq!(plan(&args).len(), 5);
        let args: Vec<String> = ["-p", "cifar"].map(String::from).into();
        assert_eq!(plan(&args), [Stage { name: "tests", packages: &[], threads: &[], variables: &[] }]);
    }
}
