//! Augmentations of training samples: a list of values, such as `crop:4,flip`.
//!
//! Each is expressed as changes of a [`Look`]. What it does to a sample is a pure function of seed, epoch and sample.
//! So every worker gives a sample the same look, and there is no generator whose state would have to be saved.

mod crop;
mod flip;
mod look;
mod vertical_flip;

pub use crop::Crop;
pub use flip::Flip;
pub use look::{Axis, Look};
pub use vertical_flip::VerticalFlip;

use crate::ImageShape;
use plan::random::{Purpose, below, random_bits};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr};

/// One kind of augmentation.
trait Augment {
    /// Changes how a sample looks. It draws the same number of random numbers for every sample.
    fn apply(&self, draws: &mut Draws, look: &mut Look);
}

/// An augmentation with its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Augmentation {
    /// `crop:PADDING`
    Crop(Crop),
    /// `flip`
    Flip(Flip),
    /// `vertical-flip`
    VerticalFlip(VerticalFlip),
}

impl Augmentation {
    fn augment(&self) -> &dyn Augment {
        match self {
            Self::Crop(crop) => crop,
            Self::Flip(flip) => flip,
            Self::VerticalFlip(flip) => flip,
        }
    }
}

impl fmt::Display for Augmentation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crop(Crop { padding }) => write!(formatter, "crop:{padding}"),
            Self::Flip(Flip) => formatter.write_str("flip"),
            Self::VerticalFlip(VerticalFlip) => formatter.write_str("vertical-flip"),
        }
    }
}

impl FromStr for Augmentation {
    type Err = UnknownAugmentation;

    fn from_str(text: &str) -> Result<Self, UnknownAugmentation> {
        let unknown = || UnknownAugmentation(text.to_owned());
        match text.split_once(':') {
            Some(("crop", padding)) => {
                let padding = padding.parse().ok().filter(|padding| *padding > 0).ok_or_else(unknown)?;
                Ok(Self::Crop(Crop { padding }))
            }
            None if text == "flip" => Ok(Self::Flip(Flip)),
            None if text == "vertical-flip" => Ok(Self::VerticalFlip(VerticalFlip)),
            _ => Err(unknown()),
        }
    }
}

/// A text that names no augmentation.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "there is no augmentation {0:?}: it is none, or a list of crop:PADDING (1 to 255 pixels), flip and vertical-flip"
)]
pub struct UnknownAugmentation(String);

/// What is done to every training sample, in this order. As text its parts are separated by commas, and the empty list
/// is `none`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Augmentations(Vec<Augmentation>);

impl Default for Augmentations {
    /// The article's: `crop:4,flip`.
    fn default() -> Self {
        Self(vec![Augmentation::Crop(Crop { padding: 4 }), Augmentation::Flip(Flip)])
    }
}

impl Augmentations {
    /// No augmentation: samples stay as they are.
    #[must_use]
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// How sample `index` looks in `epoch` of a run with `seed`, for images of `shape`. It depends on nothing else.
    #[must_use]
    pub fn look(&self, seed: u64, epoch: u32, index: u32, shape: ImageShape) -> Look {
        let mut look = Look { rows: Axis::new(shape.height), columns: Axis::new(shape.width) };
        let mut draws = Draws { seed, epoch, index, drawn: 0, block: [0; 4] };
        for augmentation in &self.0 {
            augmentation.augment().apply(&mut draws, &mut look);
        }
        look
    }
}

impl fmt::Display for Augmentations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("none");
        }
        for (index, augmentation) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(formatter, "{comma}{augmentation}")?;
        }
        Ok(())
    }
}

impl FromStr for Augmentations {
    type Err = UnknownAugmentation;

    fn from_str(text: &str) -> Result<Self, UnknownAugmentation> {
        if text == "none" {
            return Ok(Self::none());
        }
        text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<String> for Augmentations {
    type Error = UnknownAugmentation;

    fn try_from(text: String) -> Result<Self, UnknownAugmentation> {
        text.parse()
    }
}

impl From<Augmentations> for String {
    fn from(augmentations: Augmentations) -> Self {
        augmentations.to_string()
    }
}

impl JsonSchema for Augmentations {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Augmentations".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// The random numbers of one sample in one epoch, one after the other.
pub struct Draws {
    seed: u64,
    epoch: u32,
    index: u32,
    drawn: u32,
    block: [u32; 4],
}

impl Draws {
    /// A number below `bound`; all are equally likely.
    pub fn below(&mut self, bound: u32) -> u32 {
        let place = self.drawn as usize % self.block.len();
        if place == 0 {
            let number = self.drawn / self.block.len() as u32;
            self.block = random_bits(self.seed, Purpose::Augment, self.epoch, self.index, number);
        }
        self.drawn += 1;
        below(self.block[place], bound)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use std::collections::HashMap;

    const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

    #[test]
    fn every_crop_and_direction_is_about_as_likely() {
        let draws = 162_000;
        let mut counts = HashMap::new();
        for index in 0..draws {
            let Look { rows, columns } = Augmentations::default().look(7, 3, index, SHAPE);
            let key = (rows.terms(), columns.terms());
            *counts.entry(key).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 162);
        // Chi-squared with 161 degrees of freedom: mean 161, standard deviation 18. The draws are fixed, so is this.
        let expected = f64::from(draws) / 162.0;
        let chi: f64 = counts.values().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        assert!((100.0..230.0).contains(&chi), "{chi}");
    }

    #[test]
    fn every_way_of_mirroring_is_about_as_likely() {
        let augment: Augmentations = "flip,vertical-flip".parse().unwrap();
        let mut counts = [0u32; 4];
        for index in 0..40_000 {
            let Look { rows, columns } = augment.look(7, 3, index, SHAPE);
            counts[usize::from(rows.is_mirrored()) * 2 + usize::from(columns.is_mirrored())] += 1;
            let upside_down: Vec<_> = (0..32).rev().map(Some).collect();
            if rows.is_mirrored() {
                assert_eq!((0..32).map(|row| rows.source_of(row)).collect::<Vec<_>>(), upside_down);
            }
        }
        // Chi-squared with 3 degrees of freedom: above 16 in one of a thousand. The draws are fixed, so is this.
        let chi: f64 = counts.iter().map(|&count| (f64::from(count) - 10_000.0).powi(2) / 10_000.0).sum();
        assert!(chi < 16.0, "{counts:?}");
    }

    #[test]
    fn seed_epoch_and_sample_each_matter_and_nothing_else_does() {
        let look = |seed, epoch, index| Augmentations::default().look(seed, epoch, index, SHAPE);
        let looks =
            |seed, epoch, from: u32| (from..from + 100).map(|index| look(seed, epoch, index)).collect::<Vec<_>>();
        assert_eq!(looks(1, 1, 0), looks(1, 1, 0));
        assert_ne!(looks(1, 1, 0), looks(2, 1, 0));
        assert_ne!(looks(1, 1, 0), looks(1 << 32 | 1, 1, 0));
        assert_ne!(looks(1, 1, 0), looks(1, 2, 0));
        assert_ne!(looks(1, 1, 0), looks(1, 1, 100));
    }

    /// How earlier versions drew: two words of a block for the crop, and the third for the flip.
    #[test]
    fn the_articles_draws_are_those_of_earlier_versions() {
        for index in 0..50 {
            let bits = random_bits(9, Purpose::Augment, 4, index, 0);
            let (top, left, flip) = (below(bits[0], 9) as i32, below(bits[1], 9) as i32, below(bits[2], 2) == 1);
            let mut expected = Look { rows: Axis::new(32), columns: Axis::new(32) };
            expected.rows.shift(top - 4);
            expected.columns.shift(left - 4);
            if flip {
                expected.columns.mirror();
            }
            assert_eq!(Augmentations::default().look(9, 4, index, SHAPE), expected);
        }
    }

    #[test]
    fn a_list_is_read_as_it_is_written() {
        for text in ["none", "flip", "crop:4,flip", "flip,crop:1,crop:255", "vertical-flip,flip"] {
            assert_eq!(text.parse::<Augmentations>().unwrap().to_string(), text);
        }
        assert_eq!(Augmentations::default().to_string(), "crop:4,flip");
        for text in
            ["", "crop", "crop:0", "crop:256", "crop:-1", "turn", "flip,", "none,flip", "flip:1", "vertical-flip:1"]
        {
            let error = text.parse::<Augmentations>().unwrap_err().to_string();
            assert!(error.contains("crop:PADDING"), "{text}: {error}");
        }
    }
}
