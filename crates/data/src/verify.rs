//! A file is what is in it: its length and its checksum.

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;
use sha2::{Digest, Sha256};

use crate::{Blob, Error};

/// Checks that the file at `path` is `blob`, whatever its name.
///
/// # Errors
/// [`Error::Missing`], [`Error::WrongSize`], [`Error::Altered`], or [`Error::Read`] if it cannot be read.
pub fn verify(path: &Path, blob: &Blob) -> Result<(), Error> {
    map_verified(path, blob).map(drop)
}

/// What the file at `path` is.
///
/// # Errors
/// [`Error::Missing`], or [`Error::Read`] if it cannot be read.
pub fn blob_of(path: &Path) -> Result<Blob, Error> {
    let map = map(path, |_| Ok(()))?;
    Ok(Blob { bytes: map.len() as u64, sha256: hex(&Sha256::digest(&map)) })
}

/// Maps the file at `path` into memory once it has proved to be `blob`.
pub(crate) fn map_verified(path: &Path, blob: &Blob) -> Result<Mmap, Error> {
    let expected = blob.bytes;
    let map = map(path, |found| {
        if found == expected { Ok(()) } else { Err(Error::WrongSize { path: path.to_path_buf(), found, expected }) }
    })?;
    let found = hex(&Sha256::digest(&map));
    if found != blob.sha256 {
        return Err(Error::Altered { path: path.to_path_buf(), found, expected: blob.sha256.clone() });
    }
    Ok(map)
}

fn map(path: &Path, check: impl FnOnce(u64) -> Result<(), Error>) -> Result<Mmap, Error> {
    let read = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { path: path.to_path_buf() },
        _ => Error::Read { path: path.to_path_buf(), source },
    };
    let file = File::open(path).map_err(read)?;
    check(file.metadata().map_err(read)?.len())?;
    // SAFETY: the map is read-only. Whoever changes a data file under a running trainer changes the pixels that it
    // sees. Importing never does, as it renames whole files into place.
    unsafe { Mmap::map(&file) }.map_err(read)
}

/// Lower-case hexadecimal digits of `bytes`.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
