//! The samples of one split, mapped into memory.

use std::path::PathBuf;
use std::sync::Arc;

use memmap2::Mmap;

use crate::verify::map_verified;
use crate::{Blob, DatasetSpec, Error, Split};

/// The samples of one split. Opening it reads every byte once, to check it. After that, pages come and go as the
/// operating system sees fit. Several processes of a machine share them.
#[derive(Debug)]
pub struct Dataset {
    spec: Arc<DatasetSpec>,
    files: Vec<Mapped>,
    len: usize,
}

#[derive(Debug)]
struct Mapped {
    /// The index of its first sample.
    first: usize,
    map: Mmap,
}

impl Dataset {
    /// Opens `split` of `spec`, whose files are at `path_of`, after checking each of them. With a `limit`, only the
    /// first `limit` samples count.
    ///
    /// # Errors
    /// - [`Error::Missing`], [`Error::WrongSize`], [`Error::Altered`] or [`Error::Label`] for the first file that does
    ///   not match the spec.
    /// - [`Error::Read`] if a file cannot be read.
    /// - [`Error::Limit`] for a limit of 0, or above the number of samples.
    /// - [`Error::Spec`] if no data set can be like the spec.
    pub fn open(
        spec: &Arc<DatasetSpec>,
        split: Split,
        limit: Option<usize>,
        path_of: impl Fn(&Blob) -> PathBuf,
    ) -> Result<Self, Error> {
        spec.check()?;
        let available = spec.samples(split);
        let len = limit.unwrap_or(available);
        if len == 0 || len > available {
            return Err(Error::Limit { limit: len, available });
        }
        let mut first = 0;
        let mut files = Vec::new();
        for blob in spec.blobs(split) {
            let path = path_of(blob);
            let map = map_verified(&path, blob)?;
            let labels = map.chunks(spec.record_bytes()).map(|record| record[spec.record.label as usize]);
            let classes = spec.classes.len();
            if let Some((record, label)) = labels.enumerate().find(|(_, label)| usize::from(*label) >= classes) {
                return Err(Error::Label { path, record, label, classes });
            }
            files.push(Mapped { first, map });
            first += spec.records(blob);
        }
        Ok(Self { spec: Arc::clone(spec), files, len })
    }

    /// The spec of its data set.
    #[must_use]
    pub fn spec(&self) -> &Arc<DatasetSpec> {
        &self.spec
    }

    /// The number of samples, at most the limit.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no samples; never true of an opened data set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The class of sample `index`.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    #[must_use]
    pub fn label(&self, index: usize) -> u8 {
        self.record(index)[self.spec.record.label as usize]
    }

    /// The bytes of the image of sample `index`: channel, row, column.
    ///
    /// # Panics
    /// If `index` is not below [`len`](Self::len).
    #[must_use]
    pub fn pixels(&self, index: usize) -> &[u8] {
        &self.record(index)[self.spec.record.labels as usize..]
    }

    fn record(&self, index: usize) -> &[u8] {
        assert!(index < self.len, "sample {index} of {}", self.len);
        let file = &self.files[self.files.partition_point(|file| file.first <= index) - 1];
        let start = (index - file.first) * self.spec.record_bytes();
        &file.map[start..start + self.spec.record_bytes()]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::blob_of;
    use crate::spec::tests::small as spec;

    /// Bytes of an image of the small spec.
    pub(crate) const IMAGE: usize = 24;

    /// A data set of `images`, with labels 0, 1, 2, 0, ...
    pub(crate) fn small(images: &[[u8; IMAGE]]) -> Dataset {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path(), &write(folder.path(), images), None).unwrap()
    }

    fn open(folder: &Path, spec: &Arc<DatasetSpec>, limit: Option<usize>) -> Result<Dataset, Error> {
        Dataset::open(spec, Split::Train, limit, |blob| folder.join(&blob.sha256))
    }

    /// Files of two records, one record, two records, ...
    fn write(folder: &Path, images: &[[u8; IMAGE]]) -> Arc<DatasetSpec> {
        let mut spec = spec();
        let records: Vec<Vec<u8>> =
            images.iter().zip((0..3u8).cycle()).map(|(image, label)| [&[200, label], &image[..]].concat()).collect();
        let mut left = &records[..];
        for count in [2, 1].into_iter().cycle() {
            let (now, later) = left.split_at(count.min(left.len()));
            if now.is_empty() {
                break;
            }
            let path = folder.join("new");
            fs::write(&path, now.concat()).unwrap();
            let blob = blob_of(&path).unwrap();
            fs::rename(path, folder.join(&blob.sha256)).unwrap();
            spec.train.push(blob);
            left = later;
        }
        spec.test = spec.train[..1].to_vec();
        Arc::new(spec)
    }

    fn images<const N: usize>() -> [[u8; IMAGE]; N] {
        std::array::from_fn(|index| [10 + index as u8; IMAGE])
    }

    #[test]
    fn samples_run_on_from_file_to_file() {
        let dataset = small(&images::<7>());
        assert_eq!(dataset.len(), 7);
        for index in 0..7 {
            assert_eq!(usize::from(dataset.label(index)), index % 3);
            assert_eq!(dataset.pixels(index), [10 + index as u8; IMAGE]);
        }
    }

    #[test]
    fn a_limit_keeps_the_first_samples_and_has_to_make_sense() {
        let folder = tempfile::tempdir().unwrap();
        let spec = write(folder.path(), &images::<3>());
        assert_eq!(open(folder.path(), &spec, Some(2)).unwrap().len(), 2);
        let beyond = || open(folder.path(), &spec, Some(2)).unwrap().label(2);
        assert!(std::panic::catch_unwind(beyond).is_err());
        for limit in [0, 4] {
            let error = open(folder.path(), &spec, Some(limit)).unwrap_err();
            assert!(matches!(error, Error::Limit { available: 3, .. }), "{error}");
        }
    }

    #[test]
    fn missing_short_and_altered_files_are_told_apart_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let spec = write(folder.path(), &images::<3>());
        let name = &spec.train[1].sha256;
        let path = folder.path().join(name);
        let good = fs::read(&path).unwrap();
        let error = || open(folder.path(), &spec, None).unwrap_err();

        let mut altered = good.clone();
        altered[10] ^= 1;
        fs::write(&path, altered).unwrap();
        assert!(matches!(error(), Error::Altered { .. }));
        assert!(error().to_string().contains(name));

        fs::write(&path, &good[1..]).unwrap();
        assert!(matches!(error(), Error::WrongSize { .. }));
        assert!(error().to_string().contains(&format!("{name} has 25 bytes instead of 26")));

        fs::remove_file(&path).unwrap();
        assert!(matches!(error(), Error::Missing { .. }));
        assert!(error().to_string().contains("cargo xtask setup"));
    }

    #[test]
    fn a_label_that_is_no_class_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let spec = write(folder.path(), &images::<4>());
        let spec = Arc::new(DatasetSpec { classes: vec!["a".to_owned(), "b".to_owned()], ..(*spec).clone() });
        let error = open(folder.path(), &spec, None).unwrap_err();
        assert!(matches!(error, Error::Label { record: 0, label: 2, classes: 2, .. }), "{error}");
    }

    #[test]
    fn threads_may_share_it() {
        fn shared<T: Send + Sync>() {}
        shared::<Dataset>();
    }
}
