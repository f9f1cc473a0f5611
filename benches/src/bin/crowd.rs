//! The control plane under load. Many workers without tensors attach to one coordinator and form generations. They report
//! every second, and one of them is lost again and again. Prints what the coordinator takes and how soon an abort reaches everyone.
//!
//!     cargo run --release -p benches --bin crowd -- --data-dir data

use anyhow::{Context, Result, ensure};
use benches::{cpu_seconds, kilobytes};
use clap::Parser;
use plan::Position;
use proto::{
    VERSION,
    v1::{self, cluster_client::ClusterClient, order::Order as Down, report::Report as Up},
};
use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::{interval, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Endpoint};

#[derive(Parser)]
struct Args {
    #[arg(long)]
    data_dir: PathBuf,
    #[arg(long, default_value_t = 1000)]
    workers: usize,
    /// Workers lost, one after the other.
    #[arg(long, default_value_t = 10)]
    losses: usize,
    /// Workers lost in one instant, after that.
    #[arg(long, default_value_t = 100)]
    at_once: usize,
    /// How long the coordinator is watched while nothing is lost.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    #[arg(long, default_value = "127.0.0.1:50199")]
    listen: String,
}

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_mins(2);

/// What simulated workers tell the measurement.
enum Seen {
    Training(u64),
    Aborted(Instant),
}

#[tokio::main(worker_threads = 1)]
async fn main() -> Result<()> {
    let args = Args::parse();
    let run_dir = std::env::temp_dir().join(format!("crowd-{}", std::process::id()));
    let mut coordinator = start(&args, &run_dir)?;
    let result = measure(&args, &coordinator).await;
    coordinator.kill()?;
    coordinator.wait()?;
    fs::remove_dir_all(&run_dir)?;
    result
}

fn start(args: &Args, run_dir: &std::path::Path) -> Result<Child> {
    let program = std::env::current_exe()?.with_file_name("coordinator");
    let workers = args.workers.to_string();
    Command::new(&program)
        .args(["--workers", &workers, "--shards", &workers, "--batch-size", &workers, "--listen", &args.listen])
        .args(["--precision", "fp32", "--run-dir"])
        .arg(run_dir)
        .arg("--data-dir")
        .arg(&args.data_dir)
        .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned()))
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

async fn measure(args: &Args, coordinator: &Child) -> Result<()> {
    let url = format!("http://{}", args.listen);
    let endpoint = Endpoint::from_shared(url)?.connect_timeout(Duration::from_secs(5)).tcp_nodelay(true);
    let begun = Instant::now();
    while endpoint.connect().await.is_err() {
        ensure!(begun.elapsed() < LIMIT, "the coordinator does not listen");
        sleep(Duration::from_millis(100)).await;
    }
    let (seen, mut sightings) = mpsc::channel(4 * args.workers);
    let start = Instant::now();
    let mut crowd = Vec::new();
    for index in 0..args.workers {
        crowd.push(join(&endpoint, format!("sim-{index}"), &seen));
    }
    let mut generation = all_train(&mut sightings, args.workers, 0).await?;
    println!("{} workers attached and trained after {:.1} s", args.workers, start.elapsed().as_secs_f64());

    let (before, watched) = (cpu_seconds(coordinator.id())?, Instant::now());
    sleep(Duration::from_secs(args.seconds)).await;
    let busy = (cpu_seconds(coordinator.id())? - before) / watched.elapsed().as_secs_f64();
    println!("coordinator: {:.1} % of a core at a report a worker a second", 100.0 * busy);

    let mut latencies = Vec::new();
    for loss in 0..args.losses {
        let (lost, cut) = crowd.swap_remove(loss * 7 % crowd.len());
        let moment = Instant::now();
        cut.notify_one();
        let mut aborted = 0;
        while aborted < args.workers - 1 {
            if let Seen::Aborted(at) = timeout(LIMIT, sightings.recv()).await?.context("everyone is gone")? {
                latencies.push(at.saturating_duration_since(moment));
                aborted += 1;
            }
        }
        lost.abort();
        all_train(&mut sightings, args.workers - 1, generation).await?;
        crowd.push(join(&endpoint, format!("late-{loss}"), &seen));
        generation = all_train(&mut sightings, args.workers, generation + 1).await?;
    }
    let moment = Instant::now();
    let lost: Vec<_> = crowd.drain(..args.at_once.min(crowd.len() - 1)).collect();
    for (_, cut) in &lost {
        cut.notify_one();
    }
    let left = all_train(&mut sightings, crowd.len(), generation).await?;
    println!(
        "{} lost in one instant: the other {} train after {:.0?}, {} generations later",
        lost.len(),
        crowd.len(),
        moment.elapsed(),
        left - generation
    );
    generation = left;
    let alive = crowd.iter().filter(|(task, _)| !task.is_finished()).count();
    ensure!(alive == crowd.len(), "{} of those who were well were given up", crowd.len() - alive);

    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() * percent).div_ceil(100) - 1];
    println!("an abort reaches workers within {:.0?} (median), {:.0?} (99th percentile)", at(50), at(99));
    let [resident, own] = ["VmRSS:", "RssAnon:"].map(|field| kilobytes(coordinator.id(), field));
    println!(
        "coordinator: {} MB resident, {} MB of them its own; generation {generation} in the end",
        resident? / 1024,
        own? / 1024
    );
    Ok(())
}

/// Waits until `workers` train in a generation above `after`; aborts in between are passed over.
async fn all_train(sightings: &mut mpsc::Receiver<Seen>, workers: usize, after: u64) -> Result<u64> {
    let (mut newest, mut count) = (after, 0);
    while count < workers {
        if let Seen::Training(generation) = timeout(LIMIT, sightings.recv()).await?.context("everyone is gone")? {
            if generation > newest {
                (newest, count) = (generation, 0);
            }
            count += usize::from(generation == newest && generation > after);
        }
    }
    Ok(newest)
}

/// A worker without tensors. Notified, it breaks its stream.
fn join(endpoint: &Endpoint, name: String, seen: &mpsc::Sender<Seen>) -> (JoinHandle<Result<()>>, Arc<Notify>) {
    let cut = Arc::new(Notify::new());
    let work = simulate(endpoint.clone(), name, seen.clone(), Arc::clone(&cut));
    (tokio::spawn(work), cut)
}

type Stream = (Streaming<v1::Order>, mpsc::Sender<v1::Report>);

/// Attaches, as often as it takes: a crowd that comes at once is more than a coordinator answers in time.
async fn attach(endpoint: &Endpoint, name: &str) -> Stream {
    loop {
        if let Ok(stream) = try_attach(endpoint, name).await {
            return stream;
        }
        sleep(Duration::from_millis(200)).await;
    }
}

async fn try_attach(endpoint: &Endpoint, name: &str) -> Result<Stream> {
    let mut client = ClusterClient::new(endpoint.connect().await?);
    let (reports, up) = mpsc::channel(16);
    let hello = v1::Hello {
        generation: 0,
        instance: 0,
        version: VERSION.to_owned(),
        name: name.to_owned(),
        device: "cpu".to_owned(),
        host: "127.0.0.1".to_owned(),
        ..v1::Hello::default()
    };
    reports.send(v1::Report { report: Some(Up::Hello(hello)) }).await?;
    let orders = client.attach(ReceiverStream::new(up)).await?.into_inner();
    reports
        .send(v1::Report { report: Some(Up::Prepared(v1::Prepared { stretch_seconds: 0.01, shard_seconds: 0.1 })) })
        .await?;
    Ok((orders, reports))
}

async fn simulate(endpoint: Endpoint, name: String, seen: mpsc::Sender<Seen>, cut: Arc<Notify>) -> Result<()> {
    let (mut orders, reports) = attach(&endpoint, &name).await;
    let report = |report: Up| v1::Report { report: Some(report) };
    let mut heartbeat = interval(Duration::from_secs(1));
    let (mut generation, mut pulse) = (0, 0);
    let mut position = Position::default();
    let mut training = false;
    loop {
        let order = tokio::select! {
            () = cut.notified() => return Ok(()),
            order = orders.message() => order?.and_then(|order| order.order).context("the stream ended")?,
            _ = heartbeat.tick() => {
                pulse += 1;
                position.step += u32::from(training && position.step < 40);
                let progress = v1::Progress {
                    generation,
                    position: Some(position.into()),
                    pulse,
                    waiting: !training,
                    compute_seconds: 1.0,
                    ..v1::Progress::default()
                };
                reports.send(report(Up::Progress(progress))).await?;
                continue;
            }
        };
        match order {
            Down::Form(form) => {
                (generation, training) = (form.generation, false);
                if form.rank == 0 {
                    reports.send(report(Up::StoreOpened(v1::StoreOpened { generation, port: 1 }))).await?;
                }
            }
            Down::Connect(_) => {
                let ready = v1::Ready { generation, held: Some(held(position, generation)) };
                reports.send(report(Up::Ready(ready))).await?;
            }
            Down::Train(_) => {
                training = true;
                seen.send(Seen::Training(generation)).await?;
            }
            Down::Halt(_) => {
                // As the whole cluster does after the step in progress.
                training = false;
                let at = Some(position.into());
                let halted = v1::Halted { generation, position: at, ..v1::Halted::default() };
                reports.send(report(Up::Halted(halted))).await?;
            }
            Down::Abort(_) => {
                training = false;
                seen.send(Seen::Aborted(Instant::now())).await?;
            }
            Down::Dismiss(_) => return Ok(()),
            _ => {}
        }
    }
}

/// What a worker says that it holds.
fn held(position: Position, lineage: u64) -> v1::Held {
    let (position, totals) = (Some(position.into()), Some(v1::Totals::default()));
    v1::Held { position, totals, lineage, digest: Some(1) }
}
