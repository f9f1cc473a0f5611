//! CIFAR-10: the names, lengths and checksums of the official files, and where they lie. The files serve as they are: a
//! record is a label and an image.

#[cfg(feature = "fetch")]
pub mod fetch;

use std::path::{Path, PathBuf};

use data::{Blob, DatasetSpec, Error, ImageShape, Normalisation, Record, Split};

use crate::Importer;

/// Pixels along one side of an image.
pub const SIDE: usize = 32;

/// Colour channels of an image: red, green, blue.
pub const CHANNELS: usize = 3;

/// Bytes of one image.
pub const IMAGE_BYTES: usize = CHANNELS * SIDE * SIDE;

/// Bytes of one record of a file: the label, then the image.
pub const RECORD_BYTES: usize = 1 + IMAGE_BYTES;

/// Names of the classes, by label.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The importer of CIFAR-10.
#[derive(Debug, Clone, Copy)]
pub struct Cifar10;

impl Importer for Cifar10 {
    fn name(&self) -> &'static str {
        "cifar10"
    }

    fn import(&self, _: &Path) -> Result<DatasetSpec, Error> {
        Ok(spec())
    }

    fn files(&self, directory: &Path) -> Vec<PathBuf> {
        let folder = files_in(directory);
        all_files().map(|file| folder.join(file.name)).collect()
    }
}

/// The spec of the data set. It normalises by one half, as the article does.
#[must_use]
pub fn spec() -> DatasetSpec {
    let blobs = |split: Split| files_of(split).iter().map(FileSpec::blob).collect();
    DatasetSpec {
        name: Cifar10.name().to_owned(),
        shape: ImageShape { channels: CHANNELS as u32, height: SIDE as u32, width: SIDE as u32 },
        classes: CLASSES.map(str::to_owned).into(),
        normalisation: Normalisation { mean: vec![0.5; CHANNELS], std: vec![0.5; CHANNELS] },
        record: Record { labels: 1, label: 0 },
        train: blobs(Split::Train),
        test: blobs(Split::Test),
    }
}

/// Folder of the official archive, inside the data directory.
pub const FOLDER: &str = "cifar-10-batches-bin";

/// Records of each file. With the feature `few` it is a data set to carry: the first 2,000 of each official file.
const RECORDS: usize = if cfg!(feature = "few") { 2_000 } else { 10_000 };

/// One official file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSpec {
    /// Its name, without a folder.
    pub name: &'static str,
    /// Its length, in bytes.
    pub bytes: u64,
    /// Its sha256, in lower-case hexadecimal.
    pub sha256: &'static str,
}

impl FileSpec {
    /// The file as a data set's spec has it: length and checksum.
    #[must_use]
    pub fn blob(&self) -> Blob {
        Blob { bytes: self.bytes, sha256: self.sha256.to_owned() }
    }
}

/// A file, by the checksum of all of it and that of its first 2,000 records.
const fn official(name: &'static str, whole: &'static str, few: &'static str) -> FileSpec {
    let sha256 = if cfg!(feature = "few") { few } else { whole };
    FileSpec { name, bytes: (RECORDS * RECORD_BYTES) as u64, sha256 }
}

const TRAIN: [FileSpec; 5] = [
    official(
        "data_batch_1.bin",
        "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "eae30ce617c27eb358b2409617ac9c388f67c480af37b07393173a79541bb8f4",
    ),
    official(
        "data_batch_2.bin",
        "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "3c0786a5bf21ef0138a152435914bec3a9b57332aea9410c4ef626eaf005578e",
    ),
    official(
        "data_batch_3.bin",
        "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "ffa2daa37c1e8ef116fb3e4859ce910a6b224e870d9f42e52c8453acbf52d7ce",
    ),
    official(
        "data_batch_4.bin",
        "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "c835911ddcd4b2092a4291e2f5726ff5006c7b7e842f720d31ea0b71f653e085",
    ),
    official(
        "data_batch_5.bin",
        "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "0454eecdf31f0bf7774c7843d490610cffe34283f109b4288d07d7e44749c378",
    ),
];

const TEST: [FileSpec; 1] = [official(
    "test_batch.bin",
    "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    "a365c883b8727b5960b1f88c468d807bb5487294a2fb9b0aa2fb8a93024384c3",
)];

/// The files of `split`, in the order of their samples.
#[must_use]
pub const fn files_of(split: Split) -> &'static [FileSpec] {
    match split {
        Split::Train => &TRAIN,
        Split::Test => &TEST,
    }
}

/// All files, those of the training set first.
pub fn all_files() -> impl Iterator<Item = &'static FileSpec> + Clone {
    TRAIN.iter().chain(&TEST)
}

/// The folder that holds the `.bin` files of the data directory `dir`, or is to hold them. It is the official archive's
/// folder in `dir`. If there is no such folder and any of the files lies in `dir` itself, it is `dir`.
#[must_use]
pub fn files_in(dir: &Path) -> PathBuf {
    let folder = dir.join(FOLDER);
    let direct = || all_files().any(|file| dir.join(file.name).is_file());
    if !folder.is_dir() && direct() { dir.to_path_buf() } else { folder }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn the_official_folder_comes_first_and_loose_files_count() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(files_in(dir.path()), dir.path().join(FOLDER));
        std::fs::write(dir.path().join("test_batch.bin"), b"").unwrap();
        assert_eq!(files_in(dir.path()), dir.path());
        std::fs::create_dir(dir.path().join(FOLDER)).unwrap();
        assert_eq!(files_in(dir.path()), dir.path().join(FOLDER));
    }

    #[test]
    #[cfg(not(feature = "few"))]
    fn every_file_is_as_long_as_published() {
        assert!(all_files().all(|file| file.bytes == 30_730_000));
        spec().check().unwrap();
        assert_eq!(Split::ALL.map(|split| spec().samples(split)), [50_000, 10_000]);
    }
}
