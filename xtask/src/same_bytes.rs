//! `cargo xtask same-bytes`: whether the programs of this tree train the same bytes as those of an earlier commit.
//!
//! A change that is not meant to change the arithmetic is held to that. It is checked in every configuration that leads
//! through other code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{cargo, workspace};

/// Compare the weights that this tree trains with those of an earlier commit.
#[derive(Args)]
pub struct Options {
    /// The commit to compare with.
    #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
    before: String,
    /// Its programs, if they are built already.
    #[arg(long, value_name = "DIR")]
    before_bin: Option<PathBuf>,
    /// Only runs whose name has this in it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// Flags of every run that does not give them itself.
const ALL: [(&str, &str); 6] = [
    ("--limit-train", "200"),
    ("--limit-test", "100"),
    ("--epochs", "2"),
    ("--batch-size", "64"),
    ("--shards", "4"),
    ("--seed", "3"),
];

/// Name and flags of each run.
const RUNS: [(&str, &str); 14] = [
    ("resnet20 fp32", "--workers 1 --precision fp32"),
    ("resnet20 bf16", "--workers 1 --precision bf16"),
    ("resnet20 fp32, 3 workers", "--workers 3 --precision fp32"),
    ("resnet20 bf16, 3 workers", "--workers 3 --precision bf16"),
    ("resnet20 bf16 on the wire", "--workers 2 --precision fp32 --wire bf16"),
    ("resnet20 accumulate 2", "--workers 1 --precision fp32 --accumulate 2"),
    (
        "resnet20 one-cycle, nesterov, smoothing",
        "--workers 2 --precision fp32 --schedule one-cycle --nesterov=true --label-smoothing 0.1",
    ),
    ("resnet20 plateau", "--workers 1 --precision fp32 --epochs 4 --plateau-patience 0 --plateau-factor 0.1"),
    ("resnet20 cosine", "--workers 1 --precision fp32 --schedule cosine"),
    ("resnet20 another seed and decay", "--workers 1 --precision fp32 --seed 77 --weight-decay 0.01 --momentum 0.5"),
    ("resnet18 fp32", "--workers 1 --precision fp32 --epochs 1"),
    ("resnet18 bf16", "--workers 2 --precision bf16 --epochs 1"),
    ("resnet50 fp32", "--workers 1 --precision fp32 --epochs 1 --limit-train 64"),
    ("resnet50 bf16", "--workers 2 --precision bf16 --epochs 1 --limit-train 64"),
];

/// Flags of a run that the earlier programs begin and those of this tree finish.
const RESUMED: &str = "--workers 2 --precision fp32 --epochs 15 --limit-train 800";

/// Compares, and tells of each run.
///
/// # Errors
/// If a run fails, or trains other bytes.
pub fn same_bytes(options: &Options) -> Result<()> {
    let now = cargo::build_programs()?;
    let before = match &options.before_bin {
        Some(directory) => directory.clone(),
        None => build_before(&options.before)?,
    };
    let scratch = workspace::root().join("target/same-bytes");
    let mut different = Vec::new();
    for (name, flags) in RUNS.iter().filter(|(name, _)| name.contains(&options.only)) {
        let model = name.split(' ').next().unwrap_or_default();
        let flags = format!("--model {model} {}", completed(flags));
        let [old, new] = [("before", &before), ("now", &now)].map(|(side, programs)| {
            let run_dir = scratch.join(side);
            forget(&run_dir)?;
            start(programs, &run_dir, &flags)?.finish()
        });
        compare(name, &old?, &new?, &mut different);
    }
    let name = "begun before, finished now";
    if name.contains(&options.only) {
        let flags = completed(RESUMED);
        let (alone, begun) = (scratch.join("now"), scratch.join("begun"));
        forget(&alone)?;
        forget(&begun)?;
        let expected = start(&now, &alone, &flags)?.finish()?;
        start(&before, &begun, &flags)?.stop_after_an_epoch()?;
        compare(name, &start(&now, &begun, &flags)?.finish()?, &expected, &mut different);
    }
    ensure!(different.is_empty(), "other bytes than before: {}", different.join("; "));
    Ok(())
}

/// `flags`, and those of [`ALL`] that are not among them.
fn completed(flags: &str) -> String {
    let given = |name: &str| flags.split(' ').any(|word| word == name);
    let missing = ALL.iter().filter(|(name, _)| !given(name));
    missing.fold(flags.to_owned(), |flags, (name, value)| format!("{flags} {name} {value}"))
}

fn compare(name: &str, before: &str, now: &str, different: &mut Vec<String>) {
    println!("{} {name}: {}", if before == now { "same     " } else { "DIFFERENT" }, &now[..now.len().min(16)]);
    if before != now {
        different.push(name.to_owned());
    }
}

/// Builds the programs of `commit`, in a worktree of its own.
fn build_before(commit: &str) -> Result<PathBuf> {
    let (tree, target) = (workspace::root().join("target/before"), workspace::root().join("target/before-build"));
    let git = |arguments: &[&str]| cargo::run(Command::new("git").arg("-C").arg(workspace::root()).args(arguments));
    if tree.exists() {
        git(&["worktree", "remove", "--force", &tree.to_string_lossy()])?;
    }
    git(&["worktree", "add", "--detach", &tree.to_string_lossy(), commit])?;
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "-p", "coordinator", "-p", "worker", "-p", "client"]);
    build.current_dir(&tree).env("CARGO_TARGET_DIR", &target).env("LIBTORCH", workspace::libtorch());
    cargo::run(&mut build)?;
    Ok(target.join("release"))
}

fn forget(run_dir: &Path) -> Result<()> {
    if run_dir.exists() {
        fs::remove_dir_all(run_dir).with_context(|| format!("cannot remove {}", run_dir.display()))?;
    }
    Ok(())
}

struct Running {
    coordinator: Child,
    run_dir: PathBuf,
}

fn start(programs: &Path, run_dir: &Path, flags: &str) -> Result<Running> {
    let program = programs.join("coordinator");
    let mut command = Command::new(&program);
    command.args(["--local", "--listen", "127.0.0.1:0"]).args(flags.split_whitespace());
    command.arg("--run-dir").arg(run_dir).arg("--data-dir").arg(workspace::data());
    fs::create_dir_all(run_dir)?;
    let log = fs::File::create(run_dir.with_extension("log"))?;
    command.stdout(log.try_clone()?).stderr(log).stdin(Stdio::null());
    let coordinator = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
    Ok(Running { coordinator, run_dir: run_dir.to_owned() })
}

impl Running {
    /// Waits for the end. Returns the digest of the weights.
    fn finish(mut self) -> Result<String> {
        let status = self.coordinator.wait()?;
        let log = self.run_dir.with_extension("log");
        ensure!(status.success(), "a run failed ({status}); see {}", log.display());
        self.summary()?["weights_sha256"].as_str().map(str::to_owned).context("summary.json names no weights_sha256")
    }

    fn summary(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(self.run_dir.join("summary.json"))?)?)
    }

    /// Asks it to stop once an epoch is over, and waits until it has.
    fn stop_after_an_epoch(mut self) -> Result<()> {
        let began = Instant::now();
        while fs::read_to_string(self.run_dir.join("metrics.jsonl")).unwrap_or_default().is_empty() {
            if let Some(status) = self.coordinator.try_wait()? {
                bail!("the run was over before its first epoch ({status})");
            }
            ensure!(began.elapsed() < Duration::from_mins(5), "no epoch was over after five minutes");
            sleep(Duration::from_millis(20));
        }
        kill(Pid::from_raw(self.coordinator.id().cast_signed()), Signal::SIGTERM).context("cannot ask for a stop")?;
        self.coordinator.wait()?;
        let state = self.summary()?["state"].clone();
        ensure!(state == "stopped", "the run was {state} before it could be stopped");
        Ok(())
    }
}
