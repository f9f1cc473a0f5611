//! The configuration of a run: all that decides the weights, and nothing else.

mod difference;

pub use difference::Difference;

use crate::{Plateau, Schedule, Steps};
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// The arithmetic of forward and backward. Parameters, momentum and the reduction are f32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout.
    Fp32,
    /// Activations and the weights of convolutions in bfloat16; normalisation statistics and the head in f32.
    Bf16,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        })
    }
}

/// How the vectors of shards become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// In the one fixed tree: the same bytes for any number of workers.
    Tree,
    /// By the backend's own all-reduce.
    Ring,
}

impl fmt::Display for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tree => "tree",
            Self::Ring => "ring",
        })
    }
}

/// What vectors go over the wire as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// As they are.
    Fp32,
    /// Gradients in half the bytes: every node of the tree is rounded to bfloat16, whether it goes over the wire or
    /// not, so that the sum does not depend on who computed what. Additions are in fp32.
    Bf16,
}

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        })
    }
}

/// All that decides the weights of a run. It never changes while the run lives, but for how long it is:
/// [`RunConfig::conflicts`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The model's name.
    pub model: String,
    /// Passes over the training set.
    pub epochs: u32,
    /// Samples of one step, over the whole cluster.
    pub batch_size: u32,
    /// Logical shards of a step.
    pub shards: u32,
    /// Threads of one worker inside one operation; another number gives other bits.
    pub threads: u32,
    /// Decides initial weights, order of samples, crops and flips.
    pub seed: u64,
    /// The arithmetic.
    pub precision: Precision,
    /// How shards are added.
    pub reduction: Reduction,
    /// What shards' vectors go over the wire as.
    pub wire: Wire,
    /// The base learning rate.
    pub lr: f64,
    /// SGD's momentum.
    pub momentum: f64,
    /// Whether SGD's momentum is Nesterov's.
    #[serde(default)]
    pub nesterov: bool,
    /// SGD's weight decay, on every parameter.
    pub weight_decay: f64,
    /// The part of each label that goes to all classes alike, from 0 to below 1.
    #[serde(default)]
    pub label_smoothing: f64,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// Training samples used, from the first.
    pub train_samples: u32,
    /// Test samples used, from the first.
    pub test_samples: u32,
}

impl Default for RunConfig {
    /// What `coordinator` does with one worker and without flags: the article's settings, for a small model.
    fn default() -> Self {
        Self {
            model: "resnet20".to_owned(),
            epochs: 20,
            batch_size: 128,
            shards: 1,
            threads: 1,
            seed: 0,
            precision: Precision::Fp32,
            reduction: Reduction::Tree,
            wire: Wire::Fp32,
            lr: 0.1,
            momentum: 0.9,
            nesterov: false,
            weight_decay: 5e-4,
            label_smoothing: 0.0,
            schedule: Schedule::Plateau(Plateau { factor: 0.5, patience: 5, min_lr: 1e-6, ..Plateau::default() }),
            train_samples: 50_000,
            test_samples: 10_000,
        }
    }
}

/// Whether a step can be done at `rate`: it is above 0, and a 32-bit float.
fn is_rate(rate: f64) -> bool {
    rate > 0.0 && rate <= f64::from(f32::MAX)
}

/// More threads than any machine has processors.
const MOST_THREADS: u32 = 1024;

/// A value that no run can have.
#[derive(Debug, Error, Clone, PartialEq)]
#[error("--{flag} {value} is impossible: {why}")]
pub struct ConfigError {
    /// The flag on the command line, without dashes.
    pub flag: &'static str,
    /// What it was given.
    pub value: String,
    /// What it has to be.
    pub why: String,
}

impl RunConfig {
    /// The steps of an epoch.
    #[must_use]
    pub fn steps(&self) -> Steps {
        Steps::new(self.train_samples, self.batch_size)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// The first value that no run can have.
    pub fn check(&self) -> Result<(), ConfigError> {
        let error = |flag, value: &dyn fmt::Display, why: &str| {
            Err(ConfigError { flag, value: value.to_string(), why: why.to_owned() })
        };
        let counts = [
            ("epochs", self.epochs),
            ("batch-size", self.batch_size),
            ("shards", self.shards),
            ("threads", self.threads),
            ("limit-train", self.train_samples),
            ("limit-test", self.test_samples),
        ];
        if let Some((flag, value)) = counts.iter().find(|(_, value)| *value == 0) {
            return error(flag, value, "it has to be at least 1");
        }
        if self.threads > MOST_THREADS {
            return error("threads", &self.threads, &format!("no machine is the faster for more than {MOST_THREADS}"));
        }
        if self.shards > self.batch_size {
            let why = format!(
                "a step has {} samples (--batch-size), and every shard needs at least one of them",
                self.batch_size
            );
            return error("shards", &self.shards, &why);
        }
        if self.batch_size > self.train_samples {
            let why = format!("there are only {} training samples", self.train_samples);
            return error("batch-size", &self.batch_size, &why);
        }
        if !is_rate(self.lr) {
            return error("lr", &self.lr, "it has to be a number above 0, and no more than a 32-bit float holds");
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return error("momentum", &self.momentum, "it has to be at least 0 and below 1");
        }
        if self.nesterov && self.momentum == 0.0 {
            return error("nesterov", &self.nesterov, "it needs a --momentum above 0");
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return error("weight-decay", &self.weight_decay, "it has to be a number of at least 0");
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return error("label-smoothing", &self.label_smoothing, "it has to be at least 0 and below 1");
        }
        match &self.schedule {
            Schedule::Plateau(plateau) => {
                if !(plateau.factor > 0.0 && plateau.factor < 1.0) {
                    return error("plateau-factor", &plateau.factor, "it has to be above 0 and below 1");
                }
                if !(0.0..1.0).contains(&plateau.smoothing) {
                    return error("plateau-smoothing", &plateau.smoothing, "it has to be at least 0 and below 1");
                }
                if !(plateau.min_lr.is_finite() && plateau.min_lr >= 0.0) {
                    return error("min-lr", &plateau.min_lr, "it has to be a number of at least 0");
                }
            }
            Schedule::Multistep(multistep) => {
                if !(multistep.gamma.is_finite() && multistep.gamma > 0.0) {
                    return error("gamma", &multistep.gamma, "it has to be a number above 0");
                }
                let times = multistep.milestones.iter().filter(|after| **after < self.epochs).count();
                let last = (0..times).fold(self.lr, |rate, _| rate * multistep.gamma);
                if !is_rate(last) {
                    let why = format!("the learning rate would become {last} after all of --milestones");
                    return error("gamma", &multistep.gamma, &why);
                }
            }
            Schedule::Cosine(cosine) => {
                if !(cosine.min_lr.is_finite() && cosine.min_lr >= 0.0) {
                    return error("min-lr", &cosine.min_lr, "it has to be a number of at least 0");
                }
            }
            Schedule::OneCycle(one_cycle) => {
                if !(one_cycle.pct_start > 0.0 && one_cycle.pct_start < 1.0) {
                    return error("pct-start", &one_cycle.pct_start, "it has to be above 0 and below 1");
                }
            }
            Schedule::Constant => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RunConfig {
        RunConfig { shards: 2, ..RunConfig::default() }
    }

    #[test]
    fn impossible_values_name_their_flag() {
        assert_eq!(config().check(), Ok(()));
        let flag = |config: RunConfig| config.check().unwrap_err().flag;
        assert_eq!(flag(RunConfig { batch_size: 0, ..config() }), "batch-size");
        assert_eq!(flag(RunConfig { shards: 129, ..config() }), "shards");
        assert_eq!(flag(RunConfig { train_samples: 100, ..config() }), "batch-size");
        assert_eq!(flag(RunConfig { lr: f64::NAN, ..config() }), "lr");
        assert_eq!(flag(RunConfig { momentum: 1.0, ..config() }), "momentum");
        assert_eq!(flag(RunConfig { label_smoothing: 1.0, ..config() }), "label-smoothing");
        let schedule = Schedule::Plateau(Plateau { factor: 1.0, ..Plateau::default() });
        assert_eq!(flag(RunConfig { schedule, ..config() }), "plateau-factor");
    }

    #[test]
    fn a_configuration_survives_json() {
        let json = serde_json::to_string(&config()).unwrap();
        assert_eq!(serde_json::from_str::<RunConfig>(&json).unwrap(), config());
    }
}
