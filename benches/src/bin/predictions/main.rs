//! Predictions of a real `coordinator serve` on loopback: how fast they are with 1, 8 and 64 who ask. They are compared with bare
//! libtorch in this process, on one thread. Sides take turns. Prints a table for benches/README.md.
//!
//!     cargo xtask bench predictions

mod asking;
mod bare;

use anyhow::{Context, Result};
use asking::{Asked, batch, of_many, single};
use bare::Bare;
use benches::{Machine, Program, at_percent, cpu_seconds, median};
use checkpoint::{Saved, Store, initial_state};
use clap::Parser;
use config::RunConfig;
use proto::v1::inference_client::InferenceClient;
use schedule::ScheduleState;
use std::{
    path::{Path, PathBuf},
    process,
    time::{Duration, Instant},
};
use tch::{Device, Kind, Tensor, no_grad};

/// Images of a large request.
const BATCH: usize = 256;
/// Single images of a round.
const SINGLES: usize = 50;
/// How many ask at a time.
const ASKERS: [usize; 3] = [1, 8, 64];

#[derive(Parser)]
struct Args {
    #[arg(long, default_value = "resnet20")]
    model: String,
    /// How many times each side is measured.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// How long each number of askers goes on in a round.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

/// Beside bare libtorch: milliseconds of single images, and images per second of batches by round.
#[derive(Default)]
struct Beside {
    served: Vec<f64>,
    /// Of that: waiting for the thread of the model, and the model itself.
    queued: Vec<f64>,
    computed: Vec<f64>,
    bare: Vec<f64>,
    served_rates: Vec<f64>,
    bare_rates: Vec<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    tch::set_num_threads(1);
    let args = Args::parse();
    let machine = Machine::now()?;
    let folder = std::env::temp_dir().join(format!("predictions-{}", process::id()));
    let measured = measure(&args, &folder).await;
    std::fs::remove_dir_all(&folder).context("cannot remove the checkpoint")?;
    let (beside, by_askers) = measured?;
    println!("\n`coordinator serve` of {} in fp32: {machine}.\n", args.model);
    print_askers(&by_askers);
    print_beside(&beside);
    Ok(())
}

async fn measure(args: &Args, folder: &Path) -> Result<(Beside, Vec<Vec<Asked>>)> {
    let (checkpoint, bare) = draw(&args.model, folder)?;
    let mut served = Program::coordinator(|command| {
        command.arg("serve").arg(&checkpoint).args(["--listen", "127.0.0.1:0", "--predict-memory", "640"])
    })?;
    let url = format!("http://{}", served.told("listening on ")?);
    let (mut beside, mut by_askers) = (Beside::default(), vec![Vec::new(); ASKERS.len()]);
    for round in 1..=args.rounds {
        beside.round(&url, &bare).await?;
        for (askers, all) in ASKERS.iter().zip(&mut by_askers) {
            let before = [served.process(), process::id()].map(cpu_seconds);
            let mut asked = of_many(&url, *askers, Duration::from_secs_f64(args.seconds)).await?;
            for ((spent, process), before) in asked.cpu.iter_mut().zip([served.process(), process::id()]).zip(before) {
                *spent = cpu_seconds(process)? - before?;
            }
            println!("round {round} of {}: {askers:>2} at a time: {:.0} images/s", args.rounds, asked.rate());
            all.push(asked);
        }
    }
    Ok((beside, by_askers))
}

/// A checkpoint with initial weights in `folder`, and the same network by libtorch's own operations.
fn draw(model: &str, folder: &Path) -> Result<(PathBuf, Bare)> {
    let config = RunConfig { model: model.to_owned(), ..RunConfig::default() };
    let architecture = config.architecture()?;
    let state = initial_state(&config, architecture.layout());
    let store = Store::new(folder);
    let schedule = ScheduleState::new(config.lr);
    let saved = Saved { run_id: "predictions", config: &config, schedule: &schedule, evaluation: None, state: &state };
    let (name, _) = store.write(&saved)?;
    Ok((store.path(&name), Bare::new(&architecture, state.model())?))
}

impl Beside {
    async fn round(&mut self, url: &str, bare: &Bare) -> Result<()> {
        let mut client = InferenceClient::connect(url.to_owned()).await?;
        let images = |count: usize| Tensor::randn([count as i64, 32, 32, 3], (Kind::Float, Device::Cpu));
        let of_bare = |images: &Tensor| -> Result<f64> {
            let begin = Instant::now();
            let _logits = no_grad(|| bare.logits(&images.permute([0, 3, 1, 2])))?;
            Ok(begin.elapsed().as_secs_f64())
        };
        let (one, many) = (images(1), images(BATCH));
        for index in 0..SINGLES {
            let request = single(index);
            let begin = Instant::now();
            let answer = client.predict(request).await?.into_inner();
            self.served.push(1000.0 * begin.elapsed().as_secs_f64());
            self.queued.push(answer.queue_milliseconds);
            self.computed.push(answer.compute_milliseconds);
            self.bare.push(1000.0 * of_bare(&one)?);
        }
        let request = batch(BATCH);
        let begin = Instant::now();
        client.predict(request).await?;
        self.served_rates.push(BATCH as f64 / begin.elapsed().as_secs_f64());
        self.bare_rates.push(BATCH as f64 / of_bare(&many)?);
        Ok(())
    }
}

fn print_askers(by_askers: &[Vec<Asked>]) {
    println!(
        "| single images | images/s | median | 99th percentile | processor time of an image: coordinator | who asks |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (askers, rounds) in ASKERS.iter().zip(by_askers) {
        let rate = median(&rounds.iter().map(Asked::rate).collect::<Vec<_>>());
        let taken: Vec<f64> = rounds.iter().flat_map(|asked| &asked.milliseconds).copied().collect();
        let cpu = |which: usize| {
            let all: f64 = rounds.iter().map(|asked| asked.cpu[which]).sum();
            1000.0 * all / taken.len() as f64
        };
        println!(
            "| {askers} at a time | {rate:.0} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms |",
            median(&taken),
            at_percent(&taken, 99),
            cpu(0),
            cpu(1)
        );
    }
}

fn print_beside(beside: &Beside) {
    let [served, bare, served_rate, bare_rate] =
        [&beside.served, &beside.bare, &beside.served_rates, &beside.bare_rates].map(|values| median(values));
    let ratios: Vec<f64> = beside.served_rates.iter().zip(&beside.bare_rates).map(|(ours, bare)| ours / bare).collect();
    println!("\n| beside bare libtorch on one thread | served | bare | | wanted |");
    println!("| --- | --- | --- | --- | --- |");
    println!(
        "| a single image ({:.2} ms in the queue, {:.2} ms in the model) | {served:.2} ms | {bare:.2} ms | {:+.2} ms | at \
         most +1 ms: {} |",
        median(&beside.queued),
        median(&beside.computed),
        served - bare,
        met(served - bare <= 1.0)
    );
    println!(
        "| {BATCH} images | {served_rate:.0} images/s | {bare_rate:.0} images/s | {:.2} times | at least 0.9 times: {} |",
        median(&ratios),
        met(median(&ratios) >= 0.9)
    );
}

fn met(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}
