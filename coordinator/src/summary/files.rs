//! Files that are there whole or not at all.

use crate::error::Error;
use serde::Serialize;
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// Writes a value as JSON, durably.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(value).map_err(unspeakable(path))?;
    replace_durably(path, &(json + "\n"))
}

/// Puts `content` in the place of a file: all of it, or what was there stays.
pub(super) fn replace(path: &Path, content: &str) -> Result<(), Error> {
    let (aside, _) = write_aside(path, content)?;
    fs::rename(&aside, path).map_err(failed("rename", &aside))
}

/// As [`replace`], for what nobody could write again: a loss of power leaves one or the other too.
fn replace_durably(path: &Path, content: &str) -> Result<(), Error> {
    let (aside, file) = write_aside(path, content)?;
    file.sync_all().map_err(failed("sync", &aside))?;
    fs::rename(&aside, path).map_err(failed("rename", &aside))
}

fn write_aside(path: &Path, content: &str) -> Result<(PathBuf, File), Error> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let aside = PathBuf::from(aside);
    let mut file = File::create(&aside).map_err(failed("create", &aside))?;
    file.write_all(content.as_bytes()).map_err(failed("write", &aside))?;
    Ok((aside, file))
}

pub(super) fn unspeakable(path: &Path) -> impl FnOnce(serde_json::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::RunDir { operation: "write", path, why: error.to_string() }
}

pub(super) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::RunDir { operation, path, why: error.to_string() }
}
