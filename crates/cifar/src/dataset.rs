//! The samples of one split, mapped into memory.

use std::path::Path;

use memmap2::Mmap;

use crate::verify::map_verified;
use crate::{Error, FileSpec, IMAGE_BYTES, RECORD_BYTES, Split, files_in};

/// The samples of one split. Opening it reads every byte once, to check it; after that, pages come and go as the
/// operating system sees fit, and several processes of a machine share them.
#[derive(Debug)]
pub struct Dataset {
    maps: Vec<Mmap>,
    records_per_file: usize,
    len: usize,
}

impl Dataset {
    /// Opens `split` in data directory `dir` (see [`files_in`]) after checking length and sha256 of each of its files;
    /// with a `limit`, only the first so many samples count.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`], [`Error::WrongSize`] or [`Error::Altered`] for the first file that is not as published,
    /// [`Error::Read`] if one cannot be read, [`Error::Limit`] for a limit of 0 or above the split's samples.
    pub fn open(dir: &Path, split: Split, limit: Option<usize>) -> Result<Self, Error> {
        Self::open_files(&files_in(dir), split.files(), limit)
    }

    fn open_files(folder: &Path, files: &[FileSpec], limit: Option<usize>) -> Result<Self, Error> {
        let records = |file: &FileSpec| file.bytes as usize / RECORD_BYTES;
        let available = files.iter().map(records).sum();
        let len = limit.unwrap_or(available);
        if len == 0 || len > available {
            return Err(Error::Limit { limit: len, available });
        }
        let maps =
            files.iter().map(|file| map_verified(&folder.join(file.name), file)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { maps, records_per_file: files.first().map_or(1, records), len })
    }

    /// Samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no samples; never true of an opened data set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The class of sample `index`, 0 to 9.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    #[must_use]
    pub fn label(&self, index: usize) -> u8 {
        self.record(index)[0]
    }

    /// The 3072 pixel bytes of sample `index`: channel, row, column.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`len`](Self::len).
    #[must_use]
    pub fn pixels(&self, index: usize) -> &[u8; IMAGE_BYTES] {
        self.record(index)[1..].as_array().expect("a record is a label and an image")
    }

    fn record(&self, index: usize) -> &[u8] {
        assert!(index < self.len, "sample {index} of {}", self.len);
        let start = index % self.records_per_file * RECORD_BYTES;
        &self.maps[index / self.records_per_file][start..start + RECORD_BYTES]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::verify::hex;

    /// A data set of `images`, two records a file, with labels 0, 1, 2...
    pub(crate) fn small(images: &[[u8; IMAGE_BYTES]]) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), images);
        Dataset::open_files(folder.path(), &files, None).unwrap()
    }

    fn write(folder: &Path, images: &[[u8; IMAGE_BYTES]]) -> Vec<FileSpec> {
        let records: Vec<u8> =
            images.iter().zip(0u8..).flat_map(|(image, label)| [&[label], &image[..]].concat()).collect();
        let files = records.chunks(2 * RECORD_BYTES).zip(["a.bin", "b.bin", "c.bin"]);
        files
            .map(|(bytes, name)| {
                fs::write(folder.join(name), bytes).unwrap();
                let sha256 = Box::leak(hex(&Sha256::digest(bytes)).into_boxed_str());
                FileSpec { name, bytes: bytes.len() as u64, sha256 }
            })
            .collect()
    }

    #[test]
    fn samples_run_on_from_file_to_file() {
        let dataset = small(&[[10; IMAGE_BYTES], [11; IMAGE_BYTES], [12; IMAGE_BYTES]]);
        assert_eq!(dataset.len(), 3);
        for index in 0..3 {
            assert_eq!(usize::from(dataset.label(index)), index);
            assert_eq!(dataset.pixels(index), &[10 + index as u8; IMAGE_BYTES]);
        }
    }

    #[test]
    fn a_limit_keeps_the_first_samples_and_has_to_make_sense() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), &[[1; IMAGE_BYTES], [2; IMAGE_BYTES], [3; IMAGE_BYTES]]);
        let open = |limit| Dataset::open_files(folder.path(), &files, Some(limit));
        assert_eq!(open(2).unwrap().len(), 2);
        assert!(std::panic::catch_unwind(|| open(2).unwrap().label(2)).is_err());
        for limit in [0, 4] {
            let error = open(limit).unwrap_err();
            assert!(matches!(error, Error::Limit { available: 3, .. }), "{error}");
        }
    }

    #[test]
    fn missing_short_and_altered_files_are_told_apart_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), &[[1; IMAGE_BYTES], [2; IMAGE_BYTES], [3; IMAGE_BYTES]]);
        let path = folder.path().join("b.bin");
        let good = fs::read(&path).unwrap();
        let error = || Dataset::open_files(folder.path(), &files, None).unwrap_err();

        let mut altered = good.clone();
        altered[100] ^= 1;
        fs::write(&path, altered).unwrap();
        assert!(matches!(error(), Error::Altered { .. }));
        assert!(error().to_string().contains("b.bin"));

        fs::write(&path, &good[1..]).unwrap();
        assert!(matches!(error(), Error::WrongSize { .. }));
        assert!(error().to_string().contains("b.bin has 3072 bytes instead of 3073"));

        fs::remove_file(&path).unwrap();
        assert!(matches!(error(), Error::Missing { .. }));
        assert!(error().to_string().contains("cargo xtask setup"));
    }

    #[test]
    fn threads_may_share_it() {
        fn shared<T: Send + Sync>() {}
        shared::<Dataset>();
    }
}
