//! From flags to the configuration of a run.

use crate::{
    Args, Error,
    args::{AnnealName, PrecisionName, ReductionName, ScheduleName, WatchedName, WireName},
};
use plan::{Anneal, Cosine, MultiStep, OneCycle, Plateau, Precision, Reduction, RunConfig, Schedule, Watched, Wire};
use std::path::PathBuf;

/// The configuration that `args` ask for, and whether its precision is still to be chosen by the first worker's
/// hardware. `stored` is what the run directory holds: what is not given on purpose is taken from there.
///
/// # Errors
/// If it is one that no run can have.
pub fn run_config(args: &Args, stored: Option<&RunConfig>) -> Result<RunConfig, Error> {
    resnet::Architecture::named(&args.model)?;
    let default_shards = stored.map_or(args.workers as u32, |stored| stored.shards);
    if args.accumulate == 0 {
        let why = "a shard has at least 1 micro-batch".to_owned();
        return Err(plan::ConfigError { flag: "accumulate", value: "0".to_owned(), why }.into());
    }
    // A micro-batch is a leaf of the reduction tree like any other, so it is a shard.
    let shards = match args.shards {
        None if stored.is_some() && args.accumulate == 1 => default_shards,
        shards => shards.unwrap_or(args.workers as u32).saturating_mul(args.accumulate),
    };
    let config = RunConfig {
        model: args.model.clone(),
        epochs: args.epochs.or(stored.map(|stored| stored.epochs)).unwrap_or(RunConfig::default().epochs),
        batch_size: args.batch_size,
        shards,
        threads: args.threads,
        seed: args.seed,
        precision: match args.precision {
            PrecisionName::Auto => stored.map_or(Precision::Fp32, |stored| stored.precision),
            PrecisionName::Fp32 => Precision::Fp32,
            PrecisionName::Bf16 => Precision::Bf16,
        },
        reduction: match args.reduction {
            ReductionName::Tree => Reduction::Tree,
            ReductionName::Ring => Reduction::Ring,
        },
        wire: match args.wire {
            WireName::Fp32 => Wire::Fp32,
            WireName::Bf16 => Wire::Bf16,
        },
        lr: args.lr,
        momentum: args.momentum,
        nesterov: args.nesterov,
        weight_decay: args.weight_decay,
        label_smoothing: args.label_smoothing,
        schedule: match args.schedule {
            ScheduleName::Plateau => Schedule::Plateau(Plateau {
                factor: args.plateau_factor,
                patience: args.plateau_patience,
                on: match args.plateau_on {
                    WatchedName::TestLoss => Watched::TestLoss,
                    WatchedName::TrainLoss => Watched::TrainLoss,
                },
                smoothing: args.plateau_smoothing,
                patience_steps: args.plateau_patience_steps,
                min_lr: args.min_lr,
                ..Plateau::default()
            }),
            ScheduleName::Multistep => {
                Schedule::Multistep(MultiStep { milestones: args.milestones.clone(), gamma: args.gamma })
            }
            ScheduleName::Cosine => Schedule::Cosine(Cosine { min_lr: args.min_lr }),
            ScheduleName::OneCycle => Schedule::OneCycle(OneCycle {
                pct_start: args.pct_start,
                anneal: match args.anneal {
                    AnnealName::Cos => Anneal::Cos,
                    AnnealName::Linear => Anneal::Linear,
                },
                ..OneCycle::default()
            }),
            ScheduleName::Constant => Schedule::Constant,
        },
        train_samples: args.limit_train.unwrap_or(cifar::Split::Train.samples() as u32),
        test_samples: args.limit_test.unwrap_or(cifar::Split::Test.samples() as u32),
    };
    if args.workers == 0 || args.min_workers == 0 {
        let why = "a run needs at least 1 worker".to_owned();
        let flag = if args.workers == 0 { "workers" } else { "min-workers" };
        return Err(plan::ConfigError { flag, value: "0".to_owned(), why }.into());
    }
    config.check()?;
    Ok(config)
}

/// The directory of the run.
#[must_use]
pub fn run_dir(args: &Args) -> PathBuf {
    args.run_dir.clone().unwrap_or_else(|| PathBuf::from("runs").join(&args.model))
}
