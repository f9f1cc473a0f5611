//! Where data sets come from. An importer knows the files of one: their names, what is in them, and what the classes are called.
//! Nothing else does: the rest of the product goes by the [`DatasetSpec`] that it gives.
//!
//! # Layout
//!
//! - `cifar10`: CIFAR-10 by its published checksums, and `cifar10/fetch`, which gets it (with the feature `fetch`).
//! - `cifar100`: CIFAR-100, with its 100 classes or its 20 coarse ones.
//!
//! A further data set is a file here and a line in [`IMPORTERS`].
//!
//! # Example
//!
//! ```
//! let importer = importers::named("cifar10")?;
//! // Its checksums are published, so no file is needed to know it.
//! let spec = importer.import("data".as_ref())?;
//! assert_eq!((spec.classes.len(), spec.shape.len()), (10, 3 * 32 * 32));
//! assert!(importers::named("cifar11").unwrap_err().to_string().contains("did you mean cifar10?"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cifar10;
mod cifar100;

pub use cifar10::Cifar10;
pub use cifar100::Cifar100;

use data::{Blob, Dataset, DatasetSpec, Error, Split};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One data set, as it is found in a data directory.
pub trait Importer: Sync + fmt::Debug {
    /// Its name, for `--dataset`.
    fn name(&self) -> &'static str;

    /// What it is. Of files without published checksums, those in `directory` decide.
    ///
    /// # Errors
    /// If a file that has to be looked at is missing, or is none of this data set.
    fn import(&self, directory: &Path) -> Result<DatasetSpec, Error>;

    /// Its files in `directory`, in the order of [`DatasetSpec::all_blobs`].
    fn files(&self, directory: &Path) -> Vec<PathBuf>;
}

/// All data sets, the default first.
pub const IMPORTERS: [&dyn Importer; 3] = [&Cifar10, &Cifar100::FINE, &Cifar100::COARSE];

/// The data set of this name.
///
/// # Errors
/// If there is none. The error names the nearest.
pub fn named(name: &str) -> Result<&'static dyn Importer, UnknownDataset> {
    IMPORTERS.into_iter().find(|importer| importer.name() == name).ok_or_else(|| {
        let names = IMPORTERS.map(Importer::name);
        let distance = |known: &&str| strsim::damerau_levenshtein(name, known);
        let nearest = names.into_iter().min_by_key(distance).unwrap_or(names[0]);
        UnknownDataset { name: name.to_owned(), nearest, names: names.join(", ") }
    })
}

/// Where `blob` of `spec` lies in a data directory: under its importer's name for it, or else under its checksum.
#[must_use]
pub fn path_of(spec: &DatasetSpec, directory: &Path, blob: &Blob) -> PathBuf {
    let by_importer = || {
        let files = named(&spec.name).ok()?.files(directory);
        let index = spec.all_blobs().position(|known| known == blob)?;
        files.into_iter().nth(index)
    };
    by_importer().unwrap_or_else(|| directory.join(&blob.sha256))
}

/// Opens `split` of `spec` in a data directory. With a `limit`, only the first so many samples count.
///
/// # Errors
/// As [`Dataset::open`] has them.
pub fn open(spec: &Arc<DatasetSpec>, directory: &Path, split: Split, limit: Option<usize>) -> Result<Dataset, Error> {
    Dataset::open(spec, split, limit, |blob| path_of(spec, directory, blob))
}

/// A name that no data set has.
#[derive(Debug, thiserror::Error)]
#[error("there is no data set {name:?}: did you mean {nearest}? There are {names}")]
pub struct UnknownDataset {
    /// What was asked for.
    pub name: String,
    /// The nearest that there is.
    pub nearest: &'static str,
    names: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    /// That of CIFAR-100 needs files, and is held to the same in its own tests.
    #[test]
    fn a_spec_has_the_importers_name_and_its_files() {
        let directory = Path::new("data");
        let spec = Cifar10.import(directory).unwrap();
        spec.check().unwrap();
        assert_eq!((spec.name.as_str(), spec.all_blobs().count()), (Cifar10.name(), Cifar10.files(directory).len()));
        for importer in IMPORTERS {
            assert_eq!(named(importer.name()).unwrap().name(), importer.name());
        }
    }
}
