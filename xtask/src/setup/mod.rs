//! `cargo xtask setup`: everything that a build and a run need and that no crate brings.

mod dataset;
mod existing;
mod layout;
pub mod libtorch;
mod progress;
pub mod python;
mod tools;
mod wheels;

use std::path::Path;

use anyhow::Result;

use crate::workspace;

/// Makes sure that libtorch (one for GPUs if `cuda`) and CIFAR-10 (in `data_dir`, or the workspace's `data`) are there.
pub fn setup(cuda: bool, data_dir: Option<&Path>) -> Result<()> {
    tools::compiler()?;
    libtorch::setup(cuda)?;
    dataset::setup(data_dir.unwrap_or(&workspace::data()))
}
