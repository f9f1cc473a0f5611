//! The engine without a cluster: one process trains step after step, with no coordinator, no other worker and nobody who
//! asks. Prints a JSON object with the images per second of each epoch and the most memory that it took. What a cluster
//! of one worker is measured by.

use anyhow::Result;
use clap::Parser;
use config::RunConfig;
use data::Split;
use engine::{BatchFeed, Control, Profile, Replica, Samples, train_step};
use plan::{Position, Precision, Reduction, Wire, epoch_order};
use reduction::{Reducer, ReducerOptions};
use serde_json::json;
use std::{path::PathBuf, sync::Arc, time::Instant};
use tch::Device;

#[derive(Parser)]
struct Args {
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long, default_value = "resnet20")]
    model: String,
    #[arg(long)]
    bf16: bool,
    #[arg(long, default_value_t = 4096)]
    images: u32,
    #[arg(long, default_value_t = 2)]
    epochs: u32,
    #[arg(long, default_value_t = 128)]
    batch_size: u32,
    #[arg(long, default_value_t = 1)]
    shards: u32,
}

fn main() -> Result<()> {
    engine::keep_freed_memory();
    let args = Args::parse();
    tch::set_num_threads(1);
    let config = RunConfig {
        model: args.model,
        precision: if args.bf16 { Precision::Bf16 } else { Precision::Fp32 },
        batch_size: args.batch_size,
        shards: args.shards,
        train_samples: args.images,
        ..RunConfig::default()
    };
    let data = Arc::new(importers::open(
        &Arc::new(config.dataset.clone()),
        &args.data_dir,
        Split::Train,
        Some(args.images as usize),
    )?);
    let mut replica = Replica::new(&config, Device::Cpu)?;
    replica.load(&checkpoint::initial_state(&config, &replica.layout), 1)?;
    let options = ReducerOptions {
        reduction: Reduction::Tree,
        wire: Wire::Fp32,
        shards: config.shards,
        gradients: replica.layout.parameters(),
        len: replica.vector_len(),
        place: None,
    };
    let (control, mut profile) = (Control::default(), Profile::new(false, Device::Cpu));
    let mut reducer = Reducer::new(1, None, options, &replica.hardware.memory(), &control)?;
    let mut speeds = Vec::new();
    for epoch in 1..=args.epochs {
        replica.position = Some(Position { epoch, step: 0 });
        let (steps, shards) = (config.steps(), config.shards);
        let order = epoch_order(config.seed, epoch, config.train_samples).into();
        let ranges = (0..steps.count()).flat_map(move |step| (0..shards).map(move |shard| (step, shard)));
        let ranges = ranges.filter_map(move |(step, shard)| steps.shard_of(step, shard, shards));
        let ranges = ranges.map(|range| range.start as usize..range.end as usize);
        let samples =
            Samples { order, seed: config.seed, epoch, augment: config.augment.clone(), ranges: Box::new(ranges) };
        let mut input = BatchFeed::ahead(Arc::clone(&data), samples, replica.hardware)?;
        let start = Instant::now();
        for _ in 0..steps.count() {
            train_step(&mut replica, &mut reducer, &mut input, config.lr, &control, &mut profile)?;
        }
        speeds.push(f64::from(args.images) / start.elapsed().as_secs_f64());
    }
    println!("{}", json!({"images_per_second": speeds, "peak_megabytes": peak_megabytes()}));
    Ok(())
}

/// The most memory that this process has had so far, as Linux counts it.
fn peak_megabytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}
