//! The official files: their names, lengths and checksums, and where they lie.

use std::path::{Path, PathBuf};

use crate::RECORD_BYTES;

/// Folder of the official archive, inside the data directory.
pub const FOLDER: &str = "cifar-10-batches-bin";

/// Records of each file. The feature `few` is a data set to carry: the first 2,000 of each official file.
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

/// With the checksum of the whole file and that of its first 2,000 records.
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

/// One of the two parts of the data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// 50,000 images to learn from.
    Train,
    /// 10,000 images to be measured on.
    Test,
}

impl Split {
    /// Both parts, training first.
    pub const ALL: [Split; 2] = [Split::Train, Split::Test];

    /// The files of this part, in the order of their samples.
    #[must_use]
    pub const fn files(self) -> &'static [FileSpec] {
        match self {
            Split::Train => &TRAIN,
            Split::Test => &TEST,
        }
    }

    /// Samples of this part when nothing limits it.
    #[must_use]
    pub const fn samples(self) -> usize {
        self.files().len() * RECORDS
    }
}

/// The folder that holds (or is to hold) the `.bin` files of data directory `dir`: the official archive's folder inside
/// it, or `dir` itself if any of the files lies there directly.
#[must_use]
pub fn files_in(dir: &Path) -> PathBuf {
    let folder = dir.join(FOLDER);
    let direct = || Split::ALL.iter().flat_map(|split| split.files()).any(|file| dir.join(file.name).is_file());
    if !folder.is_dir() && direct() { dir.to_path_buf() } else { folder }
}

#[cfg(test)]
mod tests {
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
        assert!(Split::ALL.iter().flat_map(|split| split.files()).all(|file| file.bytes == 30_730_000));
        assert_eq!((Split::Train.samples(), Split::Test.samples()), (50_000, 10_000));
    }
}
