//! Images of the data set as files.

use crate::place::data_dir;
use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Writes the first `count` images of the test set of CIFAR-10 to `directory`, as PNG files in the order of their names.
///
/// # Panics
/// If the data set is not there, or a file cannot be written.
#[must_use]
pub fn test_pictures(directory: &Path, count: usize) -> Vec<PathBuf> {
    let spec = Arc::new(importers::cifar10::spec());
    let data = importers::open(&spec, &data_dir(), data::Split::Test, Some(count)).expect("the data set is there");
    let picture = |index: usize| {
        let pixels = data.pixels(index);
        let rgb: Vec<u8> = (0..1024).flat_map(|i| [pixels[i], pixels[1024 + i], pixels[2048 + i]]).collect();
        let path = directory.join(format!("{index:04}.png"));
        let encoder = PngEncoder::new(File::create(&path).expect("a file can be made"));
        encoder.write_image(&rgb, 32, 32, ExtendedColorType::Rgb8).expect("a picture can be written");
        path
    };
    (0..count).map(picture).collect()
}
