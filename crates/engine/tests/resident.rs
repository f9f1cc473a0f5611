//! Batches that the device makes are those that the processor makes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use data::{Augmentations, Batches, Dataset, DatasetSpec, ImageShape, Normalisation, Record, Split};
use engine::{BatchFeed, Hardware, Resident, Samples};
use importers::cifar10::{IMAGE_BYTES, spec};
use operations::Mark;
use std::{io::Write, path::PathBuf, rc::Rc, sync::Arc, time::Instant};
use tch::{Device, Kind, Tensor};

fn dataset() -> Dataset {
    let directory = std::env::var_os("COXSWAIN_DATA_DIR").map_or_else(|| "../../data".into(), PathBuf::from);
    importers::open(&Arc::new(spec()), &directory, Split::Train, Some(2000)).unwrap()
}

fn devices() -> Vec<Device> {
    let gpu = Device::cuda_if_available();
    if !gpu.is_cuda() {
        // Past the capture of a passing test's output: that it did not run has to be seen.
        let _ = writeln!(std::io::stderr(), "SKIPPED on a GPU: there is none");
        return vec![Device::Cpu];
    }
    vec![Device::Cpu, gpu]
}

#[test]
fn a_batch_of_the_device_is_that_of_the_processor() {
    let data = Arc::new(dataset());
    let order: Arc<[u32]> = (0..2000).rev().collect();
    for device in devices() {
        let resident = Rc::new(Resident::new(&data, Hardware::of(device)).unwrap());
        for (epoch, augment) in [
            (0, "crop:4,flip"),
            (1, "crop:4,flip"),
            (1, "none"),
            (1, "flip,crop:9,crop:2"),
            (2, "crop:4,vertical-flip"),
        ] {
            let augment: Augmentations = augment.parse().unwrap();
            let batches = Batches::new(&data, augment.clone());
            let ranges = [0..700, 700..701, 701..2000];
            let samples = || Samples {
                order: Arc::clone(&order),
                seed: 5,
                epoch,
                augment: augment.clone(),
                ranges: Box::new(ranges.clone().into_iter()),
            };
            let mut on_device = BatchFeed::resident(Rc::clone(&resident), samples());
            let mut ahead = BatchFeed::ahead(Arc::clone(&data), samples(), Hardware::of(device)).unwrap();
            for range in ranges.clone() {
                let (mut pixels, mut labels) = (vec![0.0; range.len() * IMAGE_BYTES], vec![0; range.len()]);
                batches.training(&data, (5, epoch), &order[range], &mut pixels, &mut labels);
                for input in [&mut on_device, &mut ahead] {
                    let (images, found) = input.take().unwrap();
                    let images = images.permute([0, 2, 3, 1]);
                    assert!(images.is_contiguous(), "channels last");
                    let values = Vec::<f32>::try_from(&images.view([-1]).to_device(Device::Cpu)).unwrap();
                    assert!(values == pixels, "images of epoch {epoch}");
                    assert_eq!(Vec::<i64>::try_from(&found.to_device(Device::Cpu)).unwrap(), labels);
                }
            }
            assert!(on_device.take().is_err() && ahead.take().is_err(), "nothing is left");
        }
    }
}

/// Images of two channels that are no squares, each normalised by means and deviations of its own.
#[test]
fn images_of_any_shape_are_made_alike() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("records");
    let shape = ImageShape { channels: 2, height: 5, width: 7 };
    let records: Vec<u8> = (0..20u32)
        .flat_map(|n| (0..=70u32).map(move |at| ((n * 37 + at * 11) % 251 % if at == 0 { 3 } else { 251 }) as u8))
        .collect();
    std::fs::write(&path, records).unwrap();
    let blob = data::blob_of(&path).unwrap();
    let spec = DatasetSpec {
        name: "odd".to_owned(),
        shape,
        classes: ["a", "b", "c"].map(str::to_owned).into(),
        normalisation: Normalisation { mean: vec![0.5, 0.1], std: vec![0.5, 0.3] },
        record: Record { labels: 1, label: 0 },
        train: vec![blob.clone()],
        test: vec![blob],
    };
    let data = Dataset::open(&Arc::new(spec), Split::Train, None, |_| path.clone()).unwrap();
    let augment: Augmentations = "crop:3,flip,vertical-flip,crop:9".parse().unwrap();
    let indices: Vec<u32> = (0..20).collect();
    let (mut pixels, mut labels) = (vec![0.0; 20 * shape.len()], vec![0; 20]);
    Batches::new(&data, augment.clone()).training(&data, (3, 1), &indices, &mut pixels, &mut labels);
    for device in devices() {
        let resident = Resident::new(&data, Hardware::of(device)).unwrap();
        let (images, found) = resident.batch(&augment, (3, 1), &indices).unwrap();
        let images = images.permute([0, 2, 3, 1]).reshape([-1]).to_device(Device::Cpu);
        assert!(Vec::<f32>::try_from(&images).unwrap() == pixels);
        assert_eq!(Vec::<i64>::try_from(&found.to_device(Device::Cpu)).unwrap(), labels);
    }
}

#[test]
fn kernels_that_repeat_their_bits_can_be_asked_for() {
    operations::set_deterministic(true);
    assert!(operations::is_deterministic());
    operations::set_deterministic(false);
    assert!(!operations::is_deterministic());
}

/// The thread that gives a GPU its work is done long before the GPU is.
#[test]
fn how_long_work_took_is_the_time_of_its_device() {
    for device in devices() {
        let a = Tensor::ones([4096, 4096], (Kind::Float, device));
        // The first product loads libraries.
        let _ = a.matmul(&a);
        let (began, start) = (Instant::now(), Mark::now(device).unwrap());
        let mut product = a.matmul(&a);
        for _ in 0..if device.is_cuda() { 50 } else { 1 } {
            product = a.matmul(&product);
        }
        let given = began.elapsed();
        let end = Mark::now(device).unwrap();
        // This waits for the device.
        let _ = product.double_value(&[0, 0]);
        let elapsed = began.elapsed();
        assert!(end.is_reached().unwrap());
        let length = start.until(&end).unwrap();
        assert!(length <= elapsed, "{length:?} of {elapsed:?}");
        if device.is_cuda() {
            assert!(length > given && length > elapsed / 2, "{length:?} of {elapsed:?}, given in {given:?}");
        }
    }
}
