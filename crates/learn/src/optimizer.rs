//! The optimisers that there are, and what each has to say.

use crate::{AdamW, Sgd};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use settings::Impossible;
use state::Slot;
use tch::{TchError, Tensor};

/// How parameters follow their gradients. Part of a run's configuration.
///
/// An optimiser is added by a file with its settings, its slots and its [`Update`], by a line here, and by one in
/// [`Self::update`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Optimizer {
    /// Stochastic gradient descent with momentum
    Sgd(Sgd),
    /// Adam with decoupled weight decay
    Adamw(AdamW),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Sgd(Sgd::default())
    }
}

impl Optimizer {
    /// What it has to say.
    #[must_use]
    pub fn update(&self) -> &dyn Update {
        match self {
            Self::Sgd(sgd) => sgd,
            Self::Adamw(adamw) => adamw,
        }
    }
}

/// A step, as an optimiser sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepAt {
    /// The learning rate.
    pub rate: f64,
    /// The step's number since the run began, from 1.
    pub number: u64,
    /// Whether these parameters decay.
    pub decays: bool,
}

/// What an optimiser has to say.
pub trait Update {
    /// Its slots of the state, in their order. They begin with zeros.
    fn slots(&self) -> &'static [Slot];

    /// One step of some of the parameters, in place. `slots` are the same part of each of [`Self::slots`]. All are dense, in f32
    /// and of one length. An element's bits may depend neither on how a step is cut into parts nor on the number of threads.
    ///
    /// # Errors
    /// If libtorch fails.
    fn step(
        &self,
        at: StepAt,
        parameters: &mut Tensor,
        slots: &mut [Tensor],
        gradient: &Tensor,
    ) -> Result<(), TchError>;

    /// Checks what no range says.
    ///
    /// # Errors
    /// If a setting is impossible.
    fn check(&self) -> Result<(), Impossible> {
        Ok(())
    }
}
