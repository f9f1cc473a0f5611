//! Where things are.

use std::{env, path::PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A program of this workspace.
///
/// # Panics
/// If it was not built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let directory = env::var_os("COXSWAIN_BIN_DIR").map_or_else(|| root().join("target/release"), PathBuf::from);
    let path = directory.join(name);
    assert!(path.is_file(), "{} is not there: run the tests with `cargo xtask test`", path.display());
    path
}

/// What programs log: what RUST_LOG asks for, which has to have what tests look for, or that alone.
#[must_use]
pub(crate) fn log_filter() -> String {
    env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty()).unwrap_or_else(|| "info".to_owned())
}

/// The data set.
#[must_use]
pub fn data_dir() -> PathBuf {
    env::var_os("COXSWAIN_DATA_DIR").map_or_else(|| root().join("data"), PathBuf::from)
}

/// Scripts that ask PyTorch.
#[must_use]
pub fn golden_dir() -> PathBuf {
    root().join("tests/golden")
}

/// A Python with the packages of xtask/requirements/python.txt.
///
/// # Panics
/// If it was not prepared.
#[must_use]
pub fn python() -> PathBuf {
    let path = env::var_os("COXSWAIN_PYTHON").map_or_else(|| root().join(".python/bin/python"), PathBuf::from);
    assert!(path.exists(), "{} is not there: run the tests with `cargo xtask test`", path.display());
    path
}
