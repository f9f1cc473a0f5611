//! Batches that the device makes are those that the processor makes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use data::{Augmentations, Batches, Dataset, Split};
use engine::{BatchFeed, Resident, Samples};
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
        let resident = Rc::new(Resident::new(&data, device).unwrap());
        for (epoch, augment) in [(0, "crop:4,flip"), (1, "crop:4,flip"), (1, "none"), (1, "flip,crop:9,crop:2")] {
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
            let mut ahead = BatchFeed::ahead(Arc::clone(&data), samples(), device).unwrap();
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
