//! Always the base rate.

use crate::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// It has no settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constant {}

impl Rule for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }
}
