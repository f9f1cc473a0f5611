//! The schedules, and the rule that each follows.

use crate::{Constant, Cosine, Linear, MultiStep, OneCycle, Plateau};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use settings::Impossible;

/// How the learning rate moves. Part of a run's configuration.
///
/// A schedule is added by a file with its settings and its [`Rule`], by a line here, and by one in [`Self::rule`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Schedule {
    /// Lower when a loss no longer falls
    Plateau(Plateau),
    /// Lower at --milestones
    Multistep(MultiStep),
    /// Half a cosine down to --min-lr
    Cosine(Cosine),
    /// In a straight line down to --min-lr
    Linear(Linear),
    /// Up to --lr and down again, a rate a step
    OneCycle(OneCycle),
    /// Always --lr
    Constant(Constant),
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Plateau(Plateau::default())
    }
}

impl Schedule {
    /// The rule that it follows.
    #[must_use]
    pub fn rule(&self) -> &dyn Rule {
        match self {
            Self::Plateau(plateau) => plateau,
            Self::Multistep(multistep) => multistep,
            Self::Cosine(cosine) => cosine,
            Self::Linear(linear) => linear,
            Self::OneCycle(one_cycle) => one_cycle,
            Self::Constant(constant) => constant,
        }
    }

    /// The name on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.rule().name()
    }
}

/// How long a run is, in epochs and steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Passes over the training set, in all.
    pub epochs: u32,
    /// Steps of one of them.
    pub steps: u32,
}

/// The losses of an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Losses {
    /// The mean of the training set's, in nats.
    pub train: f64,
    /// The mean of the test set's, in nats.
    pub test: f64,
}

/// An epoch that is over, as a schedule sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// The base rate.
    pub lr: f64,
    /// The rate that the epoch had, without any warm-up.
    pub rate: f64,
    /// Epochs that are over, with this one.
    pub done: u32,
    /// How long the run is.
    pub span: Span,
    /// What training and evaluation measured in it.
    pub losses: Losses,
}

/// How a schedule moves the learning rate.
pub trait Rule {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// The rate of the epoch after `epoch`, and what is to be told of it beyond "it changed". In `memory` is what the
    /// schedule remembers between epochs, as JSON. It is `Null` before the first.
    fn after(&self, epoch: &Epoch, memory: &mut Value) -> (f64, Option<String>) {
        let _ = memory;
        (epoch.rate, None)
    }

    /// The rates of the epoch that follows `done` epochs, one a step. `None` if they do not differ within an epoch.
    fn by_step(&self, lr: f64, done: u32, span: Span) -> Option<Vec<f64>> {
        let _ = (lr, done, span);
        None
    }

    /// Whether its rates depend on how many epochs the run has.
    fn spans_the_run(&self) -> bool {
        false
    }

    /// The rate that it lowers to at the most, as `--min-lr` says. `None`: it has no such rate, and never comes to 0.
    fn lowest(&self) -> Option<f64> {
        None
    }

    /// Checks what no range says, for a run with the base rate `lr`.
    ///
    /// # Errors
    /// If a setting is impossible.
    fn check(&self, lr: f64, epochs: u32) -> Result<(), Impossible> {
        let _ = (lr, epochs);
        Ok(())
    }

    /// Checks that `memory`, as it was saved, makes sense.
    ///
    /// # Errors
    /// Why it does not.
    fn check_memory(&self, memory: &Value) -> Result<(), String> {
        let _ = memory;
        Ok(())
    }
}
