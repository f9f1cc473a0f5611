//! What training loses to those who ask for predictions and to those who look on. One run goes on all the time. Windows
//! without anybody take turns with windows of each kind, and each is compared with the windows before and after it.
//! Prints a table for benches/README.md.
//!
//!     cargo xtask bench slowdown

mod askers;
mod meter;
mod readers;
mod stalled;
mod table;

use anyhow::{Context, Result};
use askers::Askers;
use benches::{Machine, Program, cpu_seconds, kilobytes};
use clap::Parser;
use meter::Meter;
use proto::v1::{SaveCheckpointRequest, training_client::TrainingClient};
use readers::Readers;
use stalled::Stalled;
use std::{path::PathBuf, process, time::Duration};
use table::{Kind, Window};
use tokio::time::sleep;

/// Until who has come or gone makes no difference any more.
const SETTLED: Duration = Duration::from_millis(700);

#[derive(Parser)]
struct Args {
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long, default_value = "resnet20")]
    model: String,
    /// Windows of each kind; there are twice as many with nobody.
    #[arg(long, default_value_t = 8)]
    rounds: usize,
    /// Of a window.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Single images that are asked for in a second. Somebody who clicks and a script that tries a model come to less.
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// Pages that are open in browsers.
    #[arg(long, default_value_t = 200)]
    browsers: usize,
    /// Clients that follow the run as `cox watch` does.
    #[arg(long, default_value_t = 200)]
    watchers: usize,
    /// How long pages and watchers that read nothing are kept.
    #[arg(long, default_value_t = 12.0)]
    stalled_seconds: f64,
}

/// A coordinator that trains, and where it is.
struct Training {
    program: Program,
    url: String,
    page: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let machine = Machine::now()?;
    let run_dir = std::env::temp_dir().join(format!("slowdown-{}", process::id()));
    let mut program = Program::coordinator(|command| {
        command
            .args(["--local", "--workers", "2", "--epochs", "100000", "--limit-test", "250", "--keep", "2"])
            .args(["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--model", &args.model, "--run-dir"])
            .arg(&run_dir)
            .arg("--data-dir")
            .arg(&args.data_dir)
    })?;
    let url = format!("http://{}", program.told("listening on ")?);
    let page = program.told("page on ")?.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let training = Training { program, url, page };
    let measured = measure(&args, &training, &machine).await;
    drop(training);
    std::fs::remove_dir_all(&run_dir).context("cannot remove the run")?;
    measured
}

async fn measure(args: &Args, training: &Training, machine: &Machine) -> Result<()> {
    let meter = Meter::start(&training.url).await?;
    meter.goes_on().await?;
    // The first checkpoint would come after the first epoch.
    TrainingClient::connect(training.url.clone()).await?.save_checkpoint(SaveCheckpointRequest::default()).await?;
    let held = stalled(args, training).await?;
    let mut windows = vec![window(args, training, &meter, Kind::Nobody).await?];
    for round in 1..=args.rounds {
        for kind in [Kind::Predictions, Kind::Readers] {
            windows.push(window(args, training, &meter, kind).await?);
            windows.push(window(args, training, &meter, Kind::Nobody).await?);
        }
        println!("round {round} of {}: {:.0} images/s with nobody", args.rounds, windows[windows.len() - 1].rate);
    }
    println!("\nTraining {} on two workers: {machine}.\n", args.model);
    table::print(&windows, machine.cores(), &kinds(args));
    println!(
        "\nThe {} who read nothing for {:.0} s take {held} KB of the coordinator's memory in all.",
        args.browsers + args.watchers,
        args.stalled_seconds
    );
    Ok(())
}

fn kinds(args: &Args) -> [(Kind, String); 3] {
    [
        (Kind::Nobody, "nobody".to_owned()),
        (Kind::Predictions, format!("{} single images a second", args.rate)),
        (Kind::Readers, format!("{} browsers and {} watchers", args.browsers, args.watchers)),
    ]
}

/// A window of `kind`, as often as it takes until one is within an epoch.
async fn window(args: &Args, training: &Training, meter: &Meter, kind: Kind) -> Result<Window> {
    let mut askers = None;
    let mut readers = None;
    match kind {
        Kind::Nobody => {}
        Kind::Predictions => askers = Some(Askers::start(&training.url, args.rate).await?),
        Kind::Readers => readers = Some(Readers::start(training, args.browsers, args.watchers).await?),
    }
    let processes = [training.program.process(), process::id()];
    loop {
        sleep(SETTLED).await;
        if let Some(askers) = &askers {
            askers.forget();
        }
        let (before, seen) = (processes.map(cpu_seconds), readers.as_ref().map(Readers::seen));
        let speed = meter.speed(Duration::from_secs_f64(args.seconds)).await?;
        let after = processes.map(cpu_seconds);
        let mut cpu = [0.0; 2];
        for (spent, (before, after)) in cpu.iter_mut().zip(before.into_iter().zip(after)) {
            *spent = (after? - before?) / args.seconds;
        }
        let answered = askers.as_ref().map(Askers::answered).transpose()?.unwrap_or_default();
        if let (Some(readers), Some(seen)) = (&readers, seen) {
            readers.ensure_served(&seen)?;
        }
        if let Some(rate) = speed {
            return Ok(Window { kind, rate, cpu, answered });
        }
    }
}

/// What the coordinator's memory grows by for those who come and read nothing, in KB. Before anybody else has come: what
/// others have given back would be taken again.
async fn stalled(args: &Args, training: &Training) -> Result<u64> {
    let before = most_memory(args, training).await?;
    let _stalled = Stalled::start(training, args.browsers, args.watchers)?;
    Ok(most_memory(args, training).await?.saturating_sub(before))
}

/// The most memory that the coordinator has of its own within a while.
async fn most_memory(args: &Args, training: &Training) -> Result<u64> {
    let mut most = 0;
    for _ in 0..(10.0 * args.stalled_seconds) as u32 {
        sleep(Duration::from_millis(100)).await;
        most = most.max(kilobytes(training.program.process(), "RssAnon:")?);
    }
    Ok(most)
}
