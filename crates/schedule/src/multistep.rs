//! Lower the rate at given epochs. Source: `torch.optim.lr_scheduler.MultiStepLR`, PyTorch 2.13.

use crate::{Epoch, Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use settings::Impossible;

/// The options of `MultiStepLR`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MultiStep {
    /// The epochs after which the rate falls; one that is named twice counts twice.
    #[schemars(extend("flag" = "milestones"))]
    pub milestones: Vec<u32>,
    /// What the rate is multiplied by.
    #[schemars(extend("flag" = "gamma", "exclusiveMinimum" = 0.0))]
    pub gamma: f64,
}

impl Default for MultiStep {
    fn default() -> Self {
        Self { milestones: vec![8, 12], gamma: 0.1 }
    }
}

impl Rule for MultiStep {
    fn name(&self) -> &'static str {
        "multistep"
    }

    fn after(&self, epoch: &Epoch, _: &mut Value) -> (f64, Option<String>) {
        let times = self.milestones.iter().filter(|milestone| **milestone == epoch.done).count();
        (if times == 0 { epoch.rate } else { epoch.rate * self.gamma.powi(times as i32) }, None)
    }

    fn check(&self, lr: f64, epochs: u32) -> Result<(), Impossible> {
        let times = self.milestones.iter().filter(|after| **after < epochs).count();
        let last = (0..times).fold(lr, |rate, _| rate * self.gamma);
        if last > 0.0 && last <= f64::from(f32::MAX) {
            return Ok(());
        }
        let why = format!("the learning rate would become {last} after all of --milestones");
        Err(Impossible::new("gamma", self.gamma, why))
    }
}
