//! The Open Inference Protocol, version 2, over gRPC and HTTP: clients of Triton and KServe work unchanged.
//!
//! The crate knows tensors, names and errors of the protocol. What predicts is a [`Backend`]. A model is `NAME`, which takes encoded
//! files, or `NAME-pixels`, which takes raw pixels. A version of a model is a checkpoint, by its number of steps.
//!
//! Source: <https://github.com/kserve/open-inference-protocol>, with the extension for binary tensor data over HTTP.
//!
//! # Layout
//!
//! - `backend`: what predicts, and why it cannot. `model`: the two models, and what they take and give.
//! - `request`: from tensors to images. `answer`: from probabilities to tensors. `elements`: numbers and strings as bytes.
//! - `grpc`: the six calls. `http`: the same over HTTP; `json` is what its bodies hold.

mod answer;
mod backend;
mod elements;
mod grpc;
mod http;
mod json;
mod model;
mod request;

pub use backend::{About, Answer, Backend, Failure, Image};
pub use grpc::OpenInference;
pub use http::{LARGEST_BODY, router};

/// As the server calls itself.
const SERVER: &str = "coxswain";
/// Parts of the protocol that are optional and that the server has.
const EXTENSIONS: [&str; 1] = ["binary_tensor_data"];

#[cfg(test)]
mod tests;
