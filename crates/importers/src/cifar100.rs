//! CIFAR-100 in its binary version. A record is a coarse label, a fine label and an image. Two data sets are in it: the 100 fine
//! classes and the 20 coarse ones.
//!
//! Source: <https://www.cs.toronto.edu/~kriz/cifar.html>. Its classes are named by two text files beside the images. No checksum
//! is published, so the files that are there decide what it is.

use std::fs;
use std::path::{Path, PathBuf};

use data::{DatasetSpec, Error, ImageShape, Normalisation, Record, blob_of};

use crate::Importer;

/// Folder of the official archive, inside the data directory.
const FOLDER: &str = "cifar-100-binary";
const FILES: [&str; 2] = ["train.bin", "test.bin"];
const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

/// CIFAR-100 by one of its labels.
#[derive(Debug, Clone, Copy)]
pub struct Cifar100 {
    name: &'static str,
    /// Which label of a record it is.
    label: u32,
    /// How many classes there are.
    classes: usize,
    /// The file that names them, a line each.
    names: &'static str,
}

impl Cifar100 {
    /// Its 100 classes.
    pub const FINE: Self = Self { name: "cifar100", label: 1, classes: 100, names: "fine_label_names.txt" };
    /// Its 20 superclasses.
    pub const COARSE: Self = Self { name: "cifar100-coarse", label: 0, classes: 20, names: "coarse_label_names.txt" };

    fn classes(&self, folder: &Path) -> Result<Vec<String>, Error> {
        let path = folder.join(self.names);
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { path },
            _ => Error::Read { path, source },
        })?;
        let names: Vec<String> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        if names.len() != self.classes {
            let why = format!("{} has {} names, and there are {} classes", self.names, names.len(), self.classes);
            return Err(Error::Spec { name: self.name.to_owned(), why });
        }
        Ok(names)
    }
}

impl Importer for Cifar100 {
    fn name(&self) -> &'static str {
        self.name
    }

    fn import(&self, directory: &Path) -> Result<DatasetSpec, Error> {
        let folder = folder(directory);
        let [train, test] = FILES.map(|name| blob_of(&folder.join(name)));
        let spec = DatasetSpec {
            name: self.name.to_owned(),
            shape: SHAPE,
            classes: self.classes(&folder)?,
            normalisation: Normalisation { mean: vec![0.5; 3], std: vec![0.5; 3] },
            record: Record { labels: 2, label: self.label },
            train: vec![train?],
            test: vec![test?],
        };
        spec.check()?;
        Ok(spec)
    }

    fn files(&self, directory: &Path) -> Vec<PathBuf> {
        let folder = folder(directory);
        FILES.map(|name| folder.join(name)).into()
    }
}

/// The official archive's folder in `directory`, or `directory` itself if the files lie there.
fn folder(directory: &Path) -> PathBuf {
    let folder = directory.join(FOLDER);
    let direct = FILES.iter().any(|name| directory.join(name).is_file());
    if !folder.is_dir() && direct { directory.to_path_buf() } else { folder }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use crate::{named, path_of};
    use data::{Dataset, Split};
    use std::sync::Arc;

    /// Record `index`: coarse label `index % 20`, fine label `index`, and an image of that byte.
    fn records(indices: std::ops::Range<u8>) -> Vec<u8> {
        indices.flat_map(|index| [vec![index % 20, index], vec![index; SHAPE.len()]].concat()).collect()
    }

    fn write(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("train.bin"), records(0..100)).unwrap();
        fs::write(folder.join("test.bin"), records(40..50)).unwrap();
        let names = |count: usize| (0..count).map(|index| format!("class {index}")).collect::<Vec<_>>().join("\n");
        fs::write(folder.join("fine_label_names.txt"), names(100) + "\n").unwrap();
        fs::write(folder.join("coarse_label_names.txt"), names(20)).unwrap();
    }

    #[test]
    fn both_kinds_of_classes_are_read_from_the_same_files() {
        for inside in ["", FOLDER] {
            let directory = tempfile::tempdir().unwrap();
            write(&directory.path().join(inside));
            for (name, classes, label) in [("cifar100", 100, 43), ("cifar100-coarse", 20, 3)] {
                let spec = Arc::new(named(name).unwrap().import(directory.path()).unwrap());
                assert_eq!((spec.classes.len(), spec.classes[7].as_str()), (classes, "class 7"));
                assert_eq!((spec.name.as_str(), spec.all_blobs().count()), (name, 2));
                assert_eq!(Split::ALL.map(|split| spec.samples(split)), [100, 10]);
                let at = |blob: &_| path_of(&spec, directory.path(), blob);
                let test = Dataset::open(&spec, Split::Test, None, at).unwrap();
                assert_eq!((test.label(3), test.pixels(3)), (label, &[43; 3072][..]));
            }
        }
    }

    #[test]
    fn what_is_none_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let import = || Cifar100::FINE.import(directory.path()).unwrap_err();
        assert!(matches!(import(), Error::Missing { .. }), "{}", import());
        write(directory.path());
        fs::write(directory.path().join("train.bin"), &records(0..3)[1..]).unwrap();
        assert!(matches!(import(), Error::Spec { .. }), "{}", import());
        fs::write(directory.path().join("train.bin"), records(0..3)).unwrap();
        fs::write(directory.path().join("fine_label_names.txt"), "one\n").unwrap();
        assert!(matches!(import(), Error::Spec { .. }), "{}", import());
    }
}
