//! What a data set is, as a value: it is in a worker's welcome and in the manifest of a checkpoint.

use crate::Error;
use serde::{Deserialize, Serialize};

/// A data set for the classification of images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// Its name, such as `cifar10`.
    pub name: String,
    /// The shape of every image.
    pub shape: ImageShape,
    /// The names of the classes, by label.
    pub classes: Vec<String>,
    /// From bytes to what a model sees.
    pub normalisation: Normalisation,
    /// How a record is laid out.
    pub record: Record,
    /// The files with the images to learn from, in order.
    pub train: Vec<Blob>,
    /// The files with the images to be measured on, in order.
    pub test: Vec<Blob>,
}

/// The shape of an image. One byte is one channel of one pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// Channels: 3 for red, green and blue.
    pub channels: u32,
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

impl ImageShape {
    /// Bytes of one image, and values of one normalised image.
    #[must_use]
    pub const fn len(self) -> usize {
        self.channels as usize * self.height as usize * self.width as usize
    }

    /// Whether an image has no pixels; never true of a spec that was checked.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// Each channel's `(byte / 255 - mean) / std`, in f32 and in this order: torchvision's `ToTensor()` and `Normalize(mean, std)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// What is taken off, by channel.
    pub mean: Vec<f32>,
    /// What the rest is divided by, by channel.
    pub std: Vec<f32>,
}

/// A file is records without anything between them. A record is its labels, a byte each, and then the image by channel, row
/// and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Labels of one record.
    pub labels: u32,
    /// Which of them is the class, from 0 on.
    pub label: u32,
}

/// A file, known by what is in it and not by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// One of the two parts of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Images to learn from.
    Train,
    /// Images to be measured on.
    Test,
}

impl Split {
    /// Both parts, training first.
    pub const ALL: [Split; 2] = [Split::Train, Split::Test];
}

/// A label is a byte.
const MOST_CLASSES: usize = 256;
/// Bytes of a name.
const LONGEST_NAME: usize = 100;
/// Far more than any image that this is for: 16 channels of 4096x4096.
const MOST_VALUES: u64 = 1 << 28;

impl DatasetSpec {
    /// The files of `split`, in the order of their samples.
    #[must_use]
    pub fn blobs(&self, split: Split) -> &[Blob] {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }

    /// All files, those of the training set first.
    pub fn all_blobs(&self) -> impl Iterator<Item = &Blob> {
        self.train.iter().chain(&self.test)
    }

    /// Samples of `split`.
    #[must_use]
    pub fn samples(&self, split: Split) -> usize {
        self.blobs(split).iter().map(|blob| self.records(blob)).sum()
    }

    /// Bytes of one record.
    #[must_use]
    pub fn record_bytes(&self) -> usize {
        self.record.labels as usize + self.shape.len()
    }

    /// Records of `blob`.
    #[must_use]
    pub fn records(&self, blob: &Blob) -> usize {
        blob.bytes as usize / self.record_bytes().max(1)
    }

    /// Checks every value, as of a spec that came over the wire or out of a file.
    ///
    /// # Errors
    /// The first value that no data set can have.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |why: String| Err(Error::Spec { name: self.name.clone(), why });
        let ImageShape { channels, height, width } = self.shape;
        let values =
            [channels, height, width].iter().try_fold(1u64, |product, side| product.checked_mul(u64::from(*side)));
        if values.is_none_or(|values| values == 0 || values > MOST_VALUES) {
            return wrong(format!("an image of {channels} channels and {height}x{width} pixels"));
        }
        if !(2..=MOST_CLASSES).contains(&self.classes.len()) {
            return wrong(format!("{} classes, and it takes 2 to {MOST_CLASSES}", self.classes.len()));
        }
        let mut names: Vec<&String> = self.classes.iter().chain([&self.name]).collect();
        if names.iter().any(|name| name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control)) {
            return wrong("a name that is empty, too long or not to be shown".to_owned());
        }
        names.pop();
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[one, other]| one == other) {
            return wrong(format!("two classes of the name {name}"));
        }
        let Normalisation { mean, std } = &self.normalisation;
        if mean.len() != channels as usize || std.len() != channels as usize {
            return wrong(format!("{} means and {} deviations for {channels} channels", mean.len(), std.len()));
        }
        if !mean.iter().all(|mean| mean.is_finite()) || !std.iter().all(|std| std.is_normal() && *std > 0.0) {
            return wrong("a mean or a deviation that nothing can be normalised by".to_owned());
        }
        if self.record.label >= self.record.labels || self.record.labels as usize > MOST_CLASSES {
            return wrong(format!("label {} of {} in a record", self.record.label, self.record.labels));
        }
        for split in Split::ALL {
            if self.blobs(split).is_empty() {
                return wrong(format!("no file for {split:?}"));
            }
        }
        for Blob { bytes, sha256 } in self.all_blobs() {
            if sha256.len() != 64 || !sha256.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
                return wrong(format!("a file with a SHA-256 of {} other digits", sha256.len()));
            }
            if *bytes == 0 || bytes % self.record_bytes() as u64 != 0 {
                return wrong(format!("a file of {bytes} bytes, and records of {}", self.record_bytes()));
            }
        }
        for split in Split::ALL {
            let bytes = self.blobs(split).iter().try_fold(0u64, |sum, blob| sum.checked_add(blob.bytes));
            let most = u64::from(u32::MAX) * self.record_bytes() as u64;
            if bytes.is_none_or(|bytes| bytes > most) {
                return wrong(format!("more than {} samples for {split:?}", u32::MAX));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    /// Images of 2 channels and 3x4 pixels in 3 classes, with two labels each, and no files yet.
    pub(crate) fn small() -> DatasetSpec {
        DatasetSpec {
            name: "small".to_owned(),
            shape: ImageShape { channels: 2, height: 3, width: 4 },
            classes: ["a", "b", "c"].map(str::to_owned).into(),
            normalisation: Normalisation { mean: vec![0.5, 0.25], std: vec![0.5, 0.2] },
            record: Record { labels: 2, label: 1 },
            train: Vec::new(),
            test: Vec::new(),
        }
    }

    fn whole() -> DatasetSpec {
        let blob = |bytes| Blob { bytes, sha256: "0f".repeat(32) };
        DatasetSpec { train: vec![blob(52), blob(26)], test: vec![blob(26)], ..small() }
    }

    #[test]
    fn samples_are_counted() {
        let spec = whole();
        spec.check().unwrap();
        assert_eq!((spec.record_bytes(), spec.samples(Split::Train), spec.samples(Split::Test)), (26, 3, 1));
    }

    #[test]
    fn it_survives_json() {
        let json = serde_json::to_string(&whole()).unwrap();
        assert_eq!(serde_json::from_str::<DatasetSpec>(&json).unwrap(), whole());
    }

    #[test]
    fn what_no_data_set_can_be_is_refused() {
        let changes: [fn(&mut DatasetSpec); 17] = [
            |spec| spec.shape.channels = 0,
            |spec| spec.shape = ImageShape { channels: u32::MAX, height: u32::MAX, width: u32::MAX },
            |spec| spec.classes.truncate(1),
            |spec| spec.classes = (0..257).map(|class| class.to_string()).collect(),
            |spec| spec.classes[1] = "a".to_owned(),
            |spec| spec.classes[1].clear(),
            |spec| spec.name = "\u{1b}[2J".to_owned(),
            |spec| spec.normalisation.std[0] = 1e-40,
            |spec| spec.train[0].bytes = 26 << 57,
            |spec| spec.normalisation.mean.truncate(1),
            |spec| spec.normalisation.std[0] = 0.0,
            |spec| spec.normalisation.mean[0] = f32::NAN,
            |spec| spec.record.label = 2,
            |spec| spec.test.clear(),
            |spec| spec.train[0].bytes = 27,
            |spec| spec.train[0].bytes = 0,
            |spec| spec.train[0].sha256 = "../../etc/passwd".to_owned(),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut spec = whole();
            change(&mut spec);
            assert!(matches!(spec.check(), Err(Error::Spec { .. })), "change {index}");
        }
    }
}
