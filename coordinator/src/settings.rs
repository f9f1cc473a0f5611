//! From flags to the configuration of a run.

use crate::{args::Args, error::Error};
use config::{Impossible, RunConfig};
use data::{DatasetSpec, Split};
use std::path::PathBuf;

/// The configuration that `args` ask for. `stored` is the configuration in the run directory. The data set, the number
/// of epochs, the shards and the precision are taken from there, unless they are given.
///
/// # Errors
/// If it is one that no run can have.
pub fn run_config(args: &Args, stored: Option<&RunConfig>) -> Result<RunConfig, Error> {
    let default = RunConfig::default();
    let dataset = dataset(args, stored)?.unwrap_or_else(|| default.dataset.clone());
    let base = RunConfig {
        epochs: stored.map_or(default.epochs, |stored| stored.epochs),
        shards: stored.map_or(args.workers as u32, |stored| stored.shards),
        precision: stored.map_or(default.precision, |stored| stored.precision),
        train_samples: dataset.samples(Split::Train) as u32,
        test_samples: dataset.samples(Split::Test) as u32,
        dataset,
        ..default
    };
    RunConfig::settings().check(&args.asked.0.values)?;
    let mut config = base.with(&args.asked.0.values)?;
    resnet::known(&config.model)?;
    if args.accumulate == 0 {
        return Err(Impossible::new("accumulate", 0, "a shard has at least 1 micro-batch").into());
    }
    // A micro-batch is a leaf of the reduction tree like any other, so it is a shard.
    if args.asked.has("shards") {
        config.shards = config.shards.saturating_mul(args.accumulate);
    } else if stored.is_none() || args.accumulate > 1 {
        config.shards = (args.workers as u32).saturating_mul(args.accumulate);
    }
    if args.workers == 0 || args.min_workers == 0 {
        let flag = if args.workers == 0 { "workers" } else { "min-workers" };
        return Err(Impossible::new(flag, 0, "a run needs at least 1 worker").into());
    }
    if args.min_workers > args.workers {
        let why = format!("a run that begins with {} has no more to go on with: raise --workers too", args.workers);
        return Err(Impossible::new("min-workers", args.min_workers, why).into());
    }
    config.check()?;
    Ok(config)
}

/// The data set that `args` ask for, or else that of the run. To import a data set, its files may have to be read.
fn dataset(args: &Args, stored: Option<&RunConfig>) -> Result<Option<DatasetSpec>, Error> {
    match &args.dataset {
        Some(name) => Ok(Some(importers::named(name)?.import(&args.data_dir)?)),
        None => Ok(stored.map(|stored| stored.dataset.clone())),
    }
}

/// The run directory: `--run-dir`, or else `runs/MODEL`.
#[must_use]
pub fn run_dir(args: &Args) -> PathBuf {
    let asked = args.asked.0.values.get("model").and_then(|model| model.as_str().map(str::to_owned));
    let of_model = || PathBuf::from("runs").join(asked.unwrap_or_else(|| RunConfig::default().model));
    args.run_dir.clone().unwrap_or_else(of_model)
}
