//! The losses that there are, and what each has to say.

use crate::{CrossEntropy, Focal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tch::{Kind, TchError, Tensor};

/// What training makes small. Part of a run's configuration.
///
/// A loss is added by a file with its settings and its [`Objective`], by a line here, and by one in [`Self::objective`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Loss {
    /// The surprise at the true class, in nats
    CrossEntropy(CrossEntropy),
    /// Cross-entropy in which a class that is already well recognised counts less
    Focal(Focal),
}

impl Default for Loss {
    fn default() -> Self {
        Self::CrossEntropy(CrossEntropy::default())
    }
}

impl Loss {
    /// What it has to say.
    #[must_use]
    pub fn objective(&self) -> &dyn Objective {
        match self {
            Self::CrossEntropy(cross_entropy) => cross_entropy,
            Self::Focal(focal) => focal,
        }
    }
}

/// What a batch should have been taken for.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// The class of each image: i64, `[images]`.
    Classes(&'a Tensor),
    /// The share of each class in each image: f32, `[images, classes]`. Each row sums to 1.
    Shares(&'a Tensor),
}

impl Targets<'_> {
    /// The share of each class in each image, f32, beside `logits`.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn shares(&self, logits: &Tensor) -> Result<Tensor, TchError> {
        match self {
            // Not by scattering, which on a GPU adds in any order.
            Self::Classes(classes) => {
                let all = Tensor::f_arange(logits.size()[1], (Kind::Int64, logits.device()))?;
                classes.f_unsqueeze(1)?.f_eq_tensor(&all)?.f_to_kind(Kind::Float)
            }
            Self::Shares(shares) => Ok(shares.shallow_clone()),
        }
    }
}

/// What a loss has to say.
pub trait Objective {
    /// The sum of the losses of `logits`, `[images, classes]`, in nats, and the gradient of that sum's `divisor`-th part.
    ///
    /// # Errors
    /// If libtorch fails.
    fn of(&self, logits: &Tensor, targets: Targets<'_>, divisor: f64) -> Result<(Tensor, Tensor), TchError>;
}
