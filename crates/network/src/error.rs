//! A failure inside libtorch, with the layer.

use tch::TchError;
use thiserror::Error;

/// A failure inside libtorch.
#[derive(Debug, Error)]
#[error("{operation}: {}", source.to_string().lines().next().unwrap_or_default())]
pub struct NetworkError {
    /// The layer, or what was being done.
    pub operation: String,
    /// libtorch's words.
    pub source: TchError,
}

/// For `map_err`: the layer that failed.
pub(crate) fn at(operation: &str) -> impl FnOnce(TchError) -> NetworkError + '_ {
    |source| NetworkError { operation: operation.to_owned(), source }
}

/// What a backward pass says of a tape or a gradient that is not its own.
pub(crate) fn mismatch(operation: &str) -> NetworkError {
    NetworkError { operation: operation.to_owned(), source: TchError::Torch("no gradient came".to_owned()) }
}
