//! Checking a file against its published length and checksum.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::{Error, FileSpec};

/// Checks that the file at `path` is the official one that `spec` describes, whatever its name.
///
/// # Errors
///
/// [`Error::Missing`], [`Error::WrongSize`], [`Error::Altered`], or [`Error::Read`] if it cannot be read.
pub fn verify_file(path: &Path, spec: &FileSpec) -> Result<(), Error> {
    map_verified(path, spec).map(drop)
}

/// Maps the file at `path` into memory once it has proved to be the one that `spec` describes.
pub(crate) fn map_verified(path: &Path, spec: &FileSpec) -> Result<Mmap, Error> {
    let read = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { path: path.to_path_buf() },
        _ => Error::Read { path: path.to_path_buf(), source },
    };
    let file = File::open(path).map_err(read)?;
    let found = file.metadata().map_err(read)?.len();
    if found != spec.bytes {
        return Err(Error::WrongSize { path: path.to_path_buf(), found, expected: spec.bytes });
    }
    // SAFETY: the map is read-only. Whoever changes a data file under a running trainer changes the pixels it sees;
    // fetching never does, as it renames whole files into place.
    let map = unsafe { Mmap::map(&file) }.map_err(read)?;
    let found = hex(&Sha256::digest(&map));
    if found != spec.sha256 {
        return Err(Error::Altered { path: path.to_path_buf(), found, expected: spec.sha256 });
    }
    Ok(map)
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
