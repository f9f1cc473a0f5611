//! `cargo xtask test`.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::cargo::{self, Executable};
use crate::{setup, workspace};

/// The package of the tests that start whole systems.
const SYSTEM_TESTS: &str = "system-tests";

/// Sets up, builds, and runs the tests. Those of the whole system use every core, so they come last, one at a time.
pub fn test(args: &[String]) -> Result<ExitCode> {
    let mut stages = Stages::default();
    stages.run("set-up", || setup::setup(false, None))?;
    stages.run("Python environment", setup::python::setup)?;
    let (ours, theirs) = split(args);
    let passed = if ours.iter().any(names_a_package) {
        of_packages(ours, theirs, &mut stages)?
    } else {
        of_everything(ours, theirs, &mut stages)?
    };
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

fn names_a_package(arg: &String) -> bool {
    arg.starts_with("-p") || arg.starts_with("--package") || arg == "--workspace"
}

/// The tests of packages that somebody names. Returns whether they passed.
fn of_packages(ours: &[String], theirs: &[String], stages: &mut Stages) -> Result<bool> {
    let programs = stages.run("building the programs", cargo::build_programs)?;
    let mut command = cargo::cargo("test");
    command.arg("--release").args(ours).arg("--");
    if ours.iter().any(|arg| arg.contains(SYSTEM_TESTS)) {
        command.arg(ONE_THREAD);
    }
    environment(command.args(theirs), &programs);
    println!("\n== {}", cargo::line(&command));
    Ok(stages.run("tests", || command.status().context("cannot run cargo"))?.success())
}

/// All tests. Returns whether they passed.
///
/// All of it is built at once. Of some packages alone cargo would build what they need with other features, and most of it
/// anew.
fn of_everything(ours: &[String], theirs: &[String], stages: &mut Stages) -> Result<bool> {
    let built = stages.run("building", || {
        let mut build = cargo::cargo("build");
        build.args(["--release", "--workspace", "--bins", "--tests"]);
        cargo::executables(build)
    })?;
    let programs = cargo::programs()?;
    let mut command = cargo::cargo("test");
    command.args(["--release", "--no-fail-fast", "--workspace", "--exclude", SYSTEM_TESTS]);
    environment(command.args(ours).arg("--").args(theirs), &programs);
    println!("\n== tests of the crates: {}", cargo::line(&command));
    let mut passed = stages.run("tests of the crates", || command.status().context("cannot run cargo"))?.success();

    let filters: Vec<&str> = ours.iter().map(String::as_str).filter(|arg| !arg.starts_with('-')).collect();
    for stage in STAGES {
        passed &= stages.run(stage.name, || {
            let mut all = true;
            for test in built.iter().filter(|made| stage.has(made)) {
                let mut command = stage.command(test, &filters);
                environment(command.args(theirs), &programs);
                println!("\n== {}: {} of {}", stage.name, test.name, test.package);
                all &= command.status().with_context(|| format!("cannot run {}", test.path.display()))?.success();
            }
            Ok(all)
        })?;
    }
    Ok(passed)
}

/// Tests that are run together, after those of the crates.
#[derive(Debug, Clone, Copy)]
struct Stage {
    name: &'static str,
    packages: &'static [&'static str],
    /// The one file of tests; all where there is none.
    file: Option<&'static str>,
    /// The tests whose name has this in it, where nobody asks for others.
    filter: Option<&'static str>,
    /// Flags of the test programs.
    flags: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
}

const ONE_THREAD: &str = "--test-threads=1";

/// The tests that wait more than they work. They run beside each other, and with no other.
const PATIENCE: &str = "patience";

/// As on a processor that has AVX2 and no more, and on one that has nothing.
const AVX2: &[(&str, &str)] =
    &[("COXSWAIN_INSTRUCTION_SET", "avx2"), ("ATEN_CPU_CAPABILITY", "avx2"), ("ONEDNN_MAX_CPU_ISA", "AVX2")];
const NOTHING: &[(&str, &str)] =
    &[("COXSWAIN_INSTRUCTION_SET", "none"), ("ATEN_CPU_CAPABILITY", "default"), ("ONEDNN_MAX_CPU_ISA", "SSE41")];

/// What the processor decides: the kernels, the network, a step.
const KERNELS: &[&str] = &["operations", "network", "reduction", "engine"];

const STAGES: [Stage; 5] = [
    Stage {
        name: "the kernels with AVX2 alone",
        packages: KERNELS,
        file: None,
        filter: None,
        flags: &[],
        variables: AVX2,
    },
    Stage {
        name: "the kernels with nothing",
        packages: KERNELS,
        file: None,
        filter: None,
        flags: &[],
        variables: NOTHING,
    },
    Stage {
        name: "the same bytes with AVX2 alone",
        packages: &[SYSTEM_TESTS],
        file: Some("same_bytes"),
        filter: Some("workers_in_fp32"),
        flags: &[ONE_THREAD],
        variables: AVX2,
    },
    Stage {
        name: "tests that wait",
        packages: &[SYSTEM_TESTS],
        file: Some(PATIENCE),
        filter: None,
        flags: &["--test-threads=3"],
        variables: &[],
    },
    Stage {
        name: "tests of the whole system",
        packages: &[SYSTEM_TESTS],
        file: None,
        filter: None,
        flags: &[ONE_THREAD],
        variables: &[],
    },
];

impl Stage {
    fn has(&self, made: &Executable) -> bool {
        let of_file = self.file.map_or(made.name != PATIENCE, |file| made.name == file);
        made.is_test && self.packages.contains(&made.package.as_str()) && of_file
    }

    /// Runs `test` as cargo does, with the tests whose names have one of `filters` in them.
    fn command(&self, test: &Executable, filters: &[&str]) -> Command {
        let mut command = Command::new(&test.path);
        command.current_dir(&test.folder).env("CARGO_MANIFEST_DIR", &test.folder);
        if filters.is_empty() {
            command.args(self.filter);
        }
        command.args(filters).args(self.flags).envs(self.variables.iter().copied());
        command
    }
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
        assert!(!names_a_package(&args[0]) && names_a_package(&"-pplan".to_owned()));
    }

    #[test]
    fn each_test_program_runs_in_its_stages() {
        let made = |package: &str, name: &str, is_test| {
            let (package, name) = (package.to_owned(), name.to_owned());
            Executable { package, name, is_test, folder: "/w".into(), path: "/w/target/it".into() }
        };
        let stages = |made: &Executable| STAGES.iter().filter(|stage| stage.has(made)).count();
        assert_eq!(stages(&made("operations", "convolution", true)), 2);
        assert_eq!(stages(&made("system-tests", "same_bytes", true)), 2);
        assert_eq!(stages(&made("system-tests", "chaos", true)), 1);
        assert_eq!(stages(&made("system-tests", PATIENCE, true)), 1);
        assert_eq!(stages(&made("worker", "worker", false)), 0);
        assert_eq!(stages(&made("steering", "histories", true)), 0);
        let words = |filters: &[&str]| {
            let command = STAGES[2].command(&made("system-tests", "same_bytes", true), filters);
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(words(&[]), ["workers_in_fp32", ONE_THREAD]);
        assert_eq!(words(&["other"]), ["other", ONE_THREAD]);
    }
}
