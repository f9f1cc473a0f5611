//! Putting one file in place, whole or not at all.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use super::FetchError;
use crate::cifar10::FileSpec;

/// Writes `spec`'s file into `folder` with `fill`, checks it and renames it into place.
pub fn place(
    folder: &Path,
    spec: &FileSpec,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), FetchError>,
) -> Result<(), FetchError> {
    let partial = folder.join(format!("{}.partial", spec.name));
    let io = |source| FetchError::io(&partial, source);
    let mut out = BufWriter::new(File::create(&partial).map_err(io)?);
    fill(&mut out)?;
    out.flush().map_err(io)?;
    out.get_ref().sync_all().map_err(io)?;
    data::verify(&partial, &spec.blob())?;
    fs::rename(&partial, folder.join(spec.name)).map_err(io)
}
