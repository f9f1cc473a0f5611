//! What training aims at and how it gets there: losses and optimisers.
//!
//! # Layout
//!
//! - `loss`: the list of losses, and what each has to say ([`Objective`]). A loss a file: `cross_entropy`,
//!   `focal`.
//! - `optimizer`: the list of optimisers, and what each has to say ([`Update`]). An optimiser a file, with its settings and
//!   its slots of the state: [`sgd`], [`adamw`].
//! - `average`: an average of the weights over the last steps.
//! - `groups`: which parameters decay.
//!
//! # Example
//!
//! ```no_run
//! use learn::{Optimizer, Sgd, StepAt};
//! use tch::Tensor;
//!
//! let optimizer = Optimizer::Sgd(Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 });
//! let (parameters, gradient) = (Tensor::from_slice(&[1.0_f32]), Tensor::from_slice(&[1.0_f32]));
//! let mut momentum = [Tensor::from_slice(&[0.0_f32])];
//! let at = StepAt { rate: 0.5, number: 1, decays: true };
//! optimizer.update().step(at, &mut parameters.shallow_clone(), &mut momentum, &gradient)?;
//! assert_eq!(parameters.double_value(&[0]), 0.5);
//! # Ok::<(), tch::TchError>(())
//! ```

mod adamw;
mod average;
mod cross_entropy;
mod focal;
mod groups;
mod loss;
mod optimizer;
mod sgd;

pub use adamw::{AdamW, FIRST_MOMENT, SECOND_MOMENT};
pub use average::Average;
pub use cross_entropy::CrossEntropy;
pub use focal::Focal;
pub use groups::{Decay, Group, groups};
pub use loss::{Loss, Objective, Targets};
pub use optimizer::{Optimizer, StepAt, Update};
pub use sgd::{MOMENTUM, Sgd};
