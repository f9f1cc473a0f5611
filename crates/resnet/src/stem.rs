//! How a network begins.

use crate::node::{Convolution, MaxPool, Node};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a network begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Stem {
    /// A 3x3 convolution that keeps the size, for small images, as in the article
    #[default]
    #[serde(rename = "small")]
    Small,
    /// A 7x7 convolution and a max pooling, which each halve the size, meant for images from 64 pixels on
    #[serde(rename = "large")]
    Large,
}

impl Stem {
    /// Its parts, from `inputs` channels to `outputs`.
    ///
    /// The large one is that of He et al., "Deep Residual Learning for Image Recognition" (2015), table 1.
    pub(crate) fn nodes(self, inputs: u32, outputs: u32) -> Vec<Node> {
        let (kernel, stride) = match self {
            Self::Small => (3, 1),
            Self::Large => (7, 2),
        };
        let mut nodes = vec![Node::Convolution(Convolution {
            name: "features.0".to_owned(),
            norm: "features.1".to_owned(),
            inputs,
            outputs,
            kernel,
            stride,
            relu: true,
        })];
        if self == Self::Large {
            nodes.push(Node::MaxPool(MaxPool { name: "features.3".to_owned(), kernel: 3, stride: 2 }));
        }
        nodes
    }
}
