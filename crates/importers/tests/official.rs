//! The real data set. Run `cargo xtask setup` first, or through `cargo xtask test`.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data::{Augmentations, Batches, Dataset, Split};
use importers::{
    cifar10::{CLASSES, IMAGE_BYTES, spec},
    path_of,
};

fn data() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    env::var_os("COXSWAIN_DATA_DIR").map_or_else(default, PathBuf::from)
}

fn open(split: Split) -> Dataset {
    let spec = Arc::new(spec());
    let path_of = |blob: &_| path_of(&spec, &data(), blob);
    Dataset::open(&spec, split, None, path_of).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn both_splits_have_every_class_equally_often() {
    for split in Split::ALL {
        let dataset = open(split);
        assert_eq!(dataset.len(), spec().samples(split));
        let mut counts = [0; CLASSES.len()];
        (0..dataset.len()).for_each(|index| counts[usize::from(dataset.label(index))] += 1);
        assert_eq!(counts, [spec().samples(split) / CLASSES.len(); CLASSES.len()]);
    }
}

#[test]
fn training_pixels_have_the_known_mean_and_deviation() {
    let dataset = open(Split::Train);
    let batches = Batches::new(&dataset, Augmentations::none());
    let (mut sums, mut squares) = ([0.0; 3], [0.0; 3]);
    let samples = 1000;
    let (mut pixels, mut labels) = (vec![0.0; samples * IMAGE_BYTES], vec![0; samples]);
    for first in (0..dataset.len()).step_by(samples) {
        batches.plain(&dataset, first..first + samples, &mut pixels, &mut labels);
        for pixel in pixels.chunks_exact(3) {
            for (channel, &value) in pixel.iter().enumerate() {
                let value = f64::from(value) / 2.0 + 0.5;
                sums[channel] += value;
                squares[channel] += value * value;
            }
        }
    }
    let count = (dataset.len() * IMAGE_BYTES / 3) as f64;
    let known = [(0.491_399_68, 0.247_032_23), (0.482_158_41, 0.243_485_13), (0.446_530_91, 0.261_587_84)];
    for (channel, (mean, deviation)) in known.into_iter().enumerate() {
        let found = sums[channel] / count;
        assert!((found - mean).abs() < 1e-6, "mean {found} of channel {channel}");
        let found = (squares[channel] / count - found * found).sqrt();
        assert!((found - deviation).abs() < 1e-6, "deviation {found} of channel {channel}");
    }
}
