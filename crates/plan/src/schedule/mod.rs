//! Learning-rate schedules with PyTorch's semantics, to the bit, in f64.

mod cosine;
mod multistep;
mod one_cycle;
mod plateau;

pub use cosine::Cosine;
pub use multistep::MultiStep;
pub use one_cycle::{Anneal, OneCycle};
pub use plateau::{Losses, Mode, Plateau, PlateauState, ThresholdMode, Watched};

use crate::number;
use serde::{Deserialize, Serialize};

/// How the learning rate moves. Part of a run's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Schedule {
    /// Lower when the test loss no longer falls.
    Plateau(Plateau),
    /// Lower at given epochs.
    Multistep(MultiStep),
    /// Half a cosine down to a floor.
    Cosine(Cosine),
    /// Up and down again, a rate a step.
    OneCycle(OneCycle),
    /// Never.
    Constant,
}

impl Schedule {
    /// The name on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plateau(_) => "plateau",
            Self::Multistep(_) => "multistep",
            Self::Cosine(_) => "cosine",
            Self::OneCycle(_) => "one-cycle",
            Self::Constant => "constant",
        }
    }

    /// Whether its rate may come down to 0.
    #[must_use]
    pub fn ends_at_nothing(&self) -> bool {
        match self {
            Self::Plateau(Plateau { min_lr, .. }) | Self::Cosine(Cosine { min_lr }) => *min_lr == 0.0,
            Self::Multistep(_) | Self::OneCycle(_) | Self::Constant => false,
        }
    }

    /// Whether its rates depend on how many epochs the run has.
    #[must_use]
    pub fn spans_the_run(&self) -> bool {
        match self {
            Self::Cosine(_) | Self::OneCycle(_) => true,
            Self::Plateau(_) | Self::Multistep(_) | Self::Constant => false,
        }
    }
}

/// Where a schedule is. Saved with every checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleState {
    /// The rate of the epoch to come.
    #[serde(with = "number")]
    pub rate: f64,
    /// Epochs finished.
    pub epochs: u32,
    /// What the plateau remembers; unused by the others.
    pub plateau: PlateauState,
}

impl ScheduleState {
    /// The start of a schedule with base rate `rate`.
    #[must_use]
    pub fn new(rate: f64) -> Self {
        Self { rate, epochs: 0, plateau: PlateauState::default() }
    }

    /// The learning rates of the epoch to come, which has `steps` steps: one for all of them, or one a step.
    /// `base` is the configured rate, `total_epochs` the length of the run.
    #[must_use]
    pub fn rates(&self, schedule: &Schedule, base: f64, total_epochs: u32, steps: u32) -> Vec<f64> {
        match schedule {
            Schedule::OneCycle(one_cycle) => {
                let total = u64::from(total_epochs) * u64::from(steps);
                let first = u64::from(self.epochs) * u64::from(steps);
                (0..u64::from(steps)).map(|step| one_cycle.rate(base, first + step, total)).collect()
            }
            _ => vec![self.rate],
        }
    }

    /// Moves on after an epoch of `steps` steps that came to `losses`. `base` and `total_epochs` as in [`Self::rates`].
    /// Returns what happened to the rate, in words, where something did.
    pub fn finish_epoch(
        &mut self,
        schedule: &Schedule,
        base: f64,
        total_epochs: u32,
        steps: u32,
        losses: Losses,
    ) -> Option<String> {
        self.epochs += 1;
        let before = self.rate;
        self.rate = match schedule {
            Schedule::Plateau(plateau) => plateau.step_on(&mut self.plateau, self.rate, losses, steps),
            Schedule::Multistep(multistep) => multistep.step(self.rate, self.epochs),
            Schedule::Cosine(cosine) => cosine.step(self.rate, base, self.epochs, total_epochs),
            Schedule::OneCycle(_) | Schedule::Constant => self.rate,
        };
        (self.rate != before).then(|| match schedule {
            Schedule::Plateau(plateau) => format!(
                "learning rate {before} -> {}: no better {}{} than {:.4} in the last {}",
                self.rate,
                if plateau.smoothing > 0.0 { "smoothed " } else { "" },
                plateau.on.name(),
                self.plateau.best.unwrap_or(f64::INFINITY),
                match plateau.patience_steps {
                    Some(patience) => format!("{patience} steps"),
                    None => format!("{} epochs", plateau.patience + 1),
                }
            ),
            _ => format!("learning rate {before} -> {}: {} schedule", self.rate, schedule.name()),
        })
    }
}
