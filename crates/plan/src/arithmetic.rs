//! The arithmetic of a run: of forward and backward, of the reduction, and over the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The arithmetic of forward and backward. Parameters, momentum and the reduction are f32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout
    Fp32,
    /// Activations and the weights of convolutions in bfloat16; normalisation statistics and the head in f32
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reduction {
    /// In one fixed tree: the same bytes for any number of workers
    Tree,
    /// By the backend's own all-reduce
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wire {
    /// As they are
    Fp32,
    /// In half the bytes: as bfloat16. Every node of the tree is rounded, whether it goes over the wire or not. So the sum
    /// does not depend on who computed what. Additions are in fp32
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
