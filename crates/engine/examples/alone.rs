//! Trains a ResNet-20 on some images of CIFAR-10, without a cluster: `cargo run --release -p engine --example alone [DIR]`.

use config::RunConfig;
use data::Split;
use engine::{BatchFeed, Control, Profile, Replica, Samples, train_step};
use plan::{Position, Reduction, Wire, epoch_order};
use reduction::{Reducer, ReducerOptions};
use std::{error::Error, path::PathBuf, sync::Arc};
use tch::Device;

const IMAGES: u32 = 2000;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "data".to_owned()));
    let config = RunConfig { train_samples: IMAGES, batch_size: 100, shards: 1, ..RunConfig::default() };
    let spec = Arc::new(config.dataset.clone());
    let data = Arc::new(importers::open(&spec, &folder, Split::Train, Some(IMAGES as usize))?);
    let mut replica = Replica::new(&config, Device::Cpu)?;
    replica.load(&checkpoint::initial_state(&config, &replica.layout), 1)?;

    // All of a step's samples are one shard, and there is nobody to add it up with.
    let (gradients, len) = (replica.layout.parameters(), replica.vector_len());
    let options =
        ReducerOptions { reduction: Reduction::Tree, wire: Wire::Fp32, shards: 1, gradients, len, place: None };
    let (control, mut profile) = (Control::default(), Profile::new(false, Device::Cpu));
    let mut reducer = Reducer::new(1, None, options, &replica.hardware.memory(), &control)?;
    let steps = config.steps();
    for epoch in 0..3 {
        replica.position = Some(Position { epoch, step: 0 });
        replica.totals = plan::Totals::default();
        let order = epoch_order(config.seed, epoch, IMAGES).into();
        let ranges = (0..steps.count()).map(move |step| steps.samples_of(step));
        let ranges = Box::new(ranges.map(|range| range.start as usize..range.end as usize));
        let samples = Samples { order, seed: config.seed, epoch, augment: config.augment.clone(), ranges };
        let mut input = BatchFeed::ahead(Arc::clone(&data), samples, replica.hardware)?;
        for _ in 0..steps.count() {
            train_step(&mut replica, &mut reducer, &mut input, config.lr, &control, &mut profile)?;
        }
        let loss = replica.totals.mean_loss().unwrap_or(f64::NAN);
        println!("epoch {}: loss {loss:.4}", epoch + 1);
    }
    Ok(())
}
