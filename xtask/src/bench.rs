//! `cargo xtask bench`: coxswain beside PyTorch DDP on the same machine, data, model, batch, transforms and threads.
//!
//! Sides run alternately, A B C A B C. So what else the machine does falls on all of them. The table shows medians and
//! ratios. The limits of the machine are measured in every round.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::loads::{self, Measure};
use crate::{cargo, setup, workspace};

/// What is compared.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    other: Option<Measure>,
    /// The model.
    #[arg(long, default_value = "resnet20")]
    model: String,
    /// Processes on each side.
    #[arg(long, default_value_t = 2)]
    workers: u32,
    /// The arithmetic of coxswain and of tuned DDP; auto: bf16 where the processor has matrix units for it.
    #[arg(long, default_value = "auto", value_parser = ["auto", "fp32", "bf16"])]
    precision: String,
    /// Images of one epoch; the first of two is warming up.
    #[arg(long, default_value_t = 4096)]
    images: u32,
    /// How many times each side runs.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the figures go as JSON.
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    json: PathBuf,
}

/// Floating-point operations of forward and backward for one image, in billions. They are three times two for each
/// multiplication and addition of a convolution.
const GFLOP_PER_IMAGE: [(&str, f64); 2] = [("resnet20", 0.2449), ("resnet18", 3.339)];

type Figures = BTreeMap<&'static str, Vec<f64>>;

/// Runs the comparison and prints its table.
pub fn bench(options: &Options) -> Result<()> {
    if let Some(other) = &options.other {
        return loads::measure(other);
    }
    setup::setup(false, None)?;
    setup::python::setup()?;
    let programs = cargo::build_programs()?;
    let mut build = cargo::cargo("build");
    cargo::run(build.args(["--release", "--package", "benches"]))?;
    let bench = Bench { options, programs, bf16: has_matrix_units(&options.precision) };

    let mut figures = Figures::new();
    let mut profiles = Vec::new();
    for round in 1..=options.rounds {
        for (name, value) in bench.limits()? {
            figures.entry(name).or_default().push(value);
        }
        for side in ["coxswain", "DDP tuned", "DDP plain", "one worker", "bare loop", "four shards"] {
            let speed = match side {
                "coxswain" => {
                    let (speed, profile) = bench.coxswain(options.workers, options.workers)?;
                    profiles.push(profile);
                    speed
                }
                "DDP tuned" => bench.ddp("tuned")?,
                "DDP plain" => bench.ddp("plain")?,
                "one worker" => bench.coxswain(1, 1)?.0,
                // The micro-batch of the bare loop, four times.
                "four shards" => bench.bare(4, 4)?,
                _ => bench.bare(1, 1)?,
            };
            println!("round {round} of {}: {side:<12} {speed:>8.1} images/s", options.rounds);
            figures.entry(side).or_default().push(speed);
        }
    }
    let report = report(options, &bench, &figures, &profiles);
    print_table(&report);
    let path = workspace::root().join(&options.json);
    fs::write(&path, format!("{report:#}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    println!("\nthese figures are in {}", path.display());
    Ok(())
}

struct Bench<'a> {
    options: &'a Options,
    programs: PathBuf,
    bf16: bool,
}

impl Bench<'_> {
    fn precision(&self) -> &'static str {
        if self.bf16 { "bf16" } else { "fp32" }
    }

    /// The limits of the machine, summed over as many processes as there are workers.
    fn limits(&self) -> Result<Vec<(&'static str, f64)>> {
        let start = || Command::new(self.programs.join("limits")).stdout(Stdio::piped()).spawn();
        let running: Vec<_> = (0..self.options.workers).map(|_| start()).collect::<Result<_, _>>()?;
        let mut sums = BTreeMap::new();
        for process in running {
            let output = process.wait_with_output()?;
            let found: Value = serde_json::from_slice(&output.stdout).context("limits printed no JSON")?;
            for name in ["gflops_fp32", "gflops_bf16", "copy_gb_per_second"] {
                *sums.entry(name).or_insert(0.0) += found[name].as_f64().context("a limit is missing")?;
            }
        }
        Ok(sums.into_iter().collect())
    }

    /// Images per second of a cluster in its second epoch, and the profile of its first worker.
    fn coxswain(&self, workers: u32, shards: u32) -> Result<(f64, Value)> {
        let run_dir = workspace::root().join("target/bench-run");
        if run_dir.exists() {
            fs::remove_dir_all(&run_dir)?;
        }
        let mut command = Command::new(self.programs.join("coordinator"));
        command
            .args(["--local", "--profile", "--listen", "127.0.0.1:0", "--epochs", "2", "--limit-test", "250"])
            .args(["--workers", &workers.to_string(), "--shards", &shards.to_string()])
            .args(["--limit-train", &self.options.images.to_string(), "--model", &self.options.model])
            .args(["--precision", self.precision(), "--run-dir"])
            .arg(&run_dir)
            .arg("--data-dir")
            .arg(workspace::data())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        cargo::run(&mut command)?;
        let metrics = fs::read_to_string(run_dir.join("metrics.jsonl"))?;
        let last: Value = serde_json::from_str(metrics.lines().last().context("no epoch was recorded")?)?;
        let profile = fs::read(run_dir.join("profile/local-0.json"))?;
        let profile: Value = serde_json::from_slice(&profile)?;
        let speed = last["images_per_second"].as_f64().context("an epoch without its speed")?;
        Ok((speed, profile["otherData"]["milliseconds"].clone()))
    }

    fn ddp(&self, mode: &str) -> Result<f64> {
        let mut command = Command::new(setup::python::interpreter());
        command
            .args(["-m", "torch.distributed.run", "--nproc-per-node", &self.options.workers.to_string()])
            .args(["--master-addr", "127.0.0.1", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"])
            .arg(workspace::root().join("benches/ddp.py"))
            .args(["--mode", mode, "--model", &self.options.model, "--images", &self.options.images.to_string()])
            .args(self.bf16.then_some("--bf16"))
            .arg("--data-dir")
            .arg(workspace::data())
            .env("OMP_NUM_THREADS", "1");
        last_speed(&mut command)
    }

    /// The engine alone, with `shards` shards of `batches` times the micro-batch of a worker.
    fn bare(&self, shards: u32, batches: u32) -> Result<f64> {
        let mut command = Command::new(self.programs.join("loop"));
        command
            .args(["--model", &self.options.model, "--images", &self.options.images.to_string()])
            .args(["--shards", &shards.to_string(), "--batch-size", &(128 * batches).to_string()])
            .args(self.bf16.then_some("--bf16"))
            .arg("--data-dir")
            .arg(workspace::data());
        last_speed(&mut command)
    }
}

/// The last speed that `command` prints.
fn last_speed(command: &mut Command) -> Result<f64> {
    let output = command.output().with_context(|| format!("cannot run {}", cargo::line(command)))?;
    let (line, errors) = (cargo::line(command), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{line} failed: {errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    let found: Value = serde_json::from_str(text.lines().last().unwrap_or_default())
        .with_context(|| format!("{line} printed no speed: {text}"))?;
    found["images_per_second"].as_array().and_then(|speeds| speeds.last()?.as_f64()).context("no speed was printed")
}

fn has_matrix_units(precision: &str) -> bool {
    match precision {
        "bf16" => true,
        "fp32" => false,
        _ => fs::read_to_string(Path::new("/proc/cpuinfo")).is_ok_and(|text| text.contains("amx_bf16")),
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median of the ratios of two sides, round by round. What else the machine did in a round falls on both.
fn ratio(figures: &Figures, ours: &str, theirs: &str) -> f64 {
    let ratios: Vec<f64> = figures[ours].iter().zip(&figures[theirs]).map(|(a, b)| a / b).collect();
    median(&ratios)
}

fn report(options: &Options, bench: &Bench<'_>, figures: &Figures, profiles: &[Value]) -> Value {
    let medians: BTreeMap<_, _> = figures.iter().map(|(name, values)| (*name, median(values))).collect();
    let phases =
        ["input", "forward", "backward", "reduction_exposed", "waiting_for_slower", "optimizer", "reduction_hidden"];
    let step: BTreeMap<_, _> = phases
        .into_iter()
        .map(|phase| (phase, median(&profiles.iter().filter_map(|p| p[phase].as_f64()).collect::<Vec<_>>())))
        .collect();
    let limit = medians[if bench.bf16 { "gflops_bf16" } else { "gflops_fp32" }];
    let work = GFLOP_PER_IMAGE.iter().find(|(name, _)| *name == options.model).map(|(_, gflop)| *gflop);
    json!({
        "model": options.model,
        "workers": options.workers,
        "precision": bench.precision(),
        "rounds": figures,
        "medians": medians,
        "ratios": {
            "to tuned DDP": ratio(figures, "coxswain", "DDP tuned"),
            "to plain DDP": ratio(figures, "coxswain", "DDP plain"),
            "one worker to the bare loop": ratio(figures, "one worker", "bare loop"),
            "four shards to one": ratio(figures, "four shards", "bare loop"),
        },
        "step_milliseconds": step,
        "fraction_of_matrix_rate": work.map(|gflop| medians["coxswain"] * gflop / limit),
    })
}

fn print_table(report: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    println!("\n{} on {} workers in {}\n", text(&report["model"]), report["workers"], text(&report["precision"]));
    println!("{:<32} {:>10}", "", "images/s");
    for side in ["coxswain", "DDP tuned", "DDP plain", "one worker", "bare loop", "four shards"] {
        println!("{side:<32} {:>10.1}", number(&report["medians"][side]));
    }
    println!("\n{:<32} {:>10}", "", "ratio");
    for (name, value) in report["ratios"].as_object().into_iter().flatten() {
        println!("{name:<32} {:>10.3}", number(value));
    }
    println!("\n{:<32} {:>10}", "a step", "ms");
    for (name, value) in report["step_milliseconds"].as_object().into_iter().flatten() {
        println!("{name:<32} {:>10.2}", number(value));
    }
    println!("\n{:<32} {:>10}", "the machine", "");
    for (name, unit) in [("gflops_fp32", "GFLOP/s"), ("gflops_bf16", "GFLOP/s"), ("copy_gb_per_second", "GB/s")] {
        println!("{name:<32} {:>10.1} {unit}", number(&report["medians"][name]));
    }
    if let Some(fraction) = report["fraction_of_matrix_rate"].as_f64() {
        println!("{:<32} {:>9.1}%", "of the matrix rate", 100.0 * fraction);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        // A machine that is half as fast in the second round.
        let figures = Figures::from([("ours", vec![30.0, 10.0, 33.0]), ("theirs", vec![20.0, 10.0, 22.0])]);
        assert_eq!(ratio(&figures, "ours", "theirs"), 1.5);
        assert_eq!(median(&figures["ours"]), 30.0);
    }
}
