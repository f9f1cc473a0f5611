//! Variables of the environment.

use std::{env, ffi::OsString};
use thiserror::Error;

/// A variable whose value is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the variable {name}: {why}")]
pub struct BadVariable {
    /// The variable, such as `COXSWAIN_WORKERS`.
    pub name: String,
    /// What is wrong with its value.
    pub why: String,
}

/// The value of a variable. An empty one is as good as none.
#[must_use]
pub fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}
