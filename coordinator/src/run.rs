//! A coordinator from its start to its end.

use crate::{
    Args, Error,
    display::Display,
    helm::{Helm, HelmOptions, Input},
    journal::{Entry, Journal},
    local::{LocalOptions, LocalWorkers},
    predict::{Decoders, Memory, Predictor},
    services::{Admission, ClusterService, InferenceService, LARGEST_MESSAGE, TrainingService},
    settings, summary,
};
use checkpoint::{Manifest, Retention, State, Store};
use cifar::{Dataset, Split};
use plan::{RunConfig, Timeouts};
use proto::v1::{cluster_server::ClusterServer, inference_server::InferenceServer, training_server::TrainingServer};
use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};
use steering::{Options, Start};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::spawn_blocking,
    time::{interval, timeout},
};
use tonic::transport::{
    Server,
    server::{Router, TcpIncoming},
};

/// Inputs under way to the helm at most.
const INPUTS: usize = 1024;
/// Calls of one connection at a time.
const CALLS: u32 = 1024;
/// How long clients get to take their last answers.
const GRACE: Duration = Duration::from_secs(2);

/// Runs a coordinator that serves on `listener`. `stop` ending means: save after the step in progress, then end.
///
/// # Errors
/// Why it cannot run, or failed.
pub async fn run(
    args: Args,
    listener: TcpListener,
    display: Display,
    stop: impl Future<Output = String> + Send + 'static,
) -> Result<(), Error> {
    let timeouts = Timeouts::new(args.failure_timeout)?;
    let address = listener.local_addr().map_err(|source| Error::Listen { address: args.listen, source })?;
    let prepared = {
        let args = args.clone();
        spawn_blocking(move || prepare(&args)).await.map_err(|error| Error::Serve(error.to_string()))??
    };
    let Prepared { run_id, config, auto_precision, run_dir, journal, start, newest } = prepared;
    tracing::info!("run {run_id} in {}, listening on {address}", run_dir.display());
    let predictor = Predictor::start(config.clone())?;
    let store = Store::new(run_dir.join("checkpoints"));
    let profile = args.profile.then(|| run_dir.join("profile"));
    let directory = run_dir.clone();
    let (inputs, mut receiver) = mpsc::channel(INPUTS);
    let options = HelmOptions {
        options: Options {
            config,
            workers: args.workers,
            min_workers: args.min_workers,
            failure_timeout: timeouts.failure,
            checkpoint_every: args.checkpoint_every,
        },
        start,
        run_id: run_id.clone(),
        auto_precision,
        run_dir,
        journal,
        retention: Retention { last: args.keep, best: true },
        predictor: predictor.clone(),
        display,
        newest,
    };
    let (helm, view) = Helm::new(options, inputs.clone())?;
    let (over, mut helm_ended) = oneshot::channel();
    thread::Builder::new()
        .name("helm".to_owned())
        .spawn(move || {
            // The receiver only goes away with the whole coordinator.
            let _ = over.send(helm.run(&mut receiver));
        })
        .map_err(|error| Error::Serve(error.to_string()))?;

    let cluster = ClusterService::new(inputs.clone(), store, run_id, args.data_dir.clone(), timeouts.request);
    let training = TrainingService::new(view, inputs.clone());
    let router = services(timeouts, cluster, training, predictor, Memory::from_mib(args.predict_memory)).await?;
    let (close, closed) = oneshot::channel::<()>();
    // The builder's own setting counts only for listeners that it opens itself.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = router.serve_with_incoming_shutdown(incoming, async {
        // Dropping the sender closes as well.
        let _ = closed.await;
    });
    let mut server = tokio::spawn(server);
    let local = LocalOptions {
        count: args.workers,
        address,
        data_dir: &args.data_dir,
        run_dir: &directory,
        profile: profile.as_deref(),
        farewell: timeouts.farewell,
    };
    let workers = args.local.then(|| LocalWorkers::start(local)).transpose()?;

    let mut stop = Box::pin(stop);
    let mut stopping = false;
    let mut tick = interval(timeouts.tick);
    let result = loop {
        tokio::select! {
            result = &mut helm_ended => {
                break result.unwrap_or_else(|_| Err(Error::Serve("the helm died".to_owned())));
            }
            ended = &mut server => {
                let why = match ended {
                    Ok(Ok(())) => "it closed".to_owned(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                return Err(Error::Serve(why));
            }
            reason = &mut stop, if !stopping => {
                stopping = true;
                // If the helm is gone its result is next.
                let _ = inputs.send(Input::Stop { reason }).await;
            }
            _ = tick.tick() => {
                // A helm that is busy looks at the time later.
                let _ = inputs.try_send(Input::Tick);
            }
        }
    };
    if let Some(workers) = workers {
        workers.end().await;
    }
    if args.serve && result.is_ok() && !stopping {
        tracing::info!("training is over; answering predictions on {address} until stopped");
        stop.await;
    }
    drop(close);
    // Streams of workers that are gone may linger; they are not waited for.
    let _ = timeout(GRACE, server).await;
    result
}

/// All that is served on the one port.
async fn services(
    timeouts: Timeouts,
    cluster: ClusterService,
    training: TrainingService,
    predictor: Predictor,
    memory: Memory,
) -> Result<Router, Error> {
    let inference = InferenceServer::new(InferenceService::new(predictor, Decoders::new(memory)));
    let inference = Admission::new(inference.max_decoding_message_size(LARGEST_MESSAGE), memory);
    let (health_reporter, health) = tonic_health::server::health_reporter();
    health_reporter.set_serving::<TrainingServer<TrainingService>>().await;
    health_reporter.set_serving::<InferenceServer<InferenceService>>().await;
    let reflect = |error: tonic_reflection::server::Error| Error::Serve(error.to_string());
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(Server::builder()
        .max_concurrent_streams(CALLS)
        .http2_keepalive_interval(Some(timeouts.keepalive))
        .http2_keepalive_timeout(Some(timeouts.failure))
        .add_service(health)
        .add_service(reflection().build_v1().map_err(reflect)?)
        .add_service(reflection().build_v1alpha().map_err(reflect)?)
        .add_service(ClusterServer::new(cluster))
        .add_service(TrainingServer::new(training))
        .add_service(inference))
}

/// What a coordinator finds before it begins.
struct Prepared {
    run_id: String,
    config: RunConfig,
    auto_precision: bool,
    run_dir: PathBuf,
    journal: Journal,
    start: Start,
    newest: Option<(String, Option<f64>, Arc<State>)>,
}

fn prepare(args: &Args) -> Result<Prepared, Error> {
    let run_dir = settings::run_dir(args);
    // Before anything is created, what is plainly wrong.
    settings::run_config(args, None)?;
    fs::create_dir_all(&run_dir).map_err(|error| Error::RunDir {
        operation: "create",
        path: run_dir.clone(),
        why: error.to_string(),
    })?;
    let mut journal = Journal::open(&run_dir)?;
    let stored = journal.run()?;
    if stored.is_some() && args.resume == "never" {
        return Err(Error::RunExists { run_dir });
    }
    let from = checkpoint_to_begin_from(args)?;
    let known = stored.as_ref().map(|(_, config)| config).or(from.as_ref().map(|(_, manifest, _)| &manifest.config));
    let (config, auto_precision) = settings::run_config(args, known)?;
    if let Some(known) = known {
        let differences = known.differences(&config);
        if !differences.is_empty() {
            return Err(Error::ConfigChanged { run_dir, differences });
        }
    }
    for split in Split::ALL {
        let limit = if split == Split::Train { config.train_samples } else { config.test_samples };
        Dataset::open(&args.data_dir, split, Some(limit as usize))?;
    }
    let run_id = match &stored {
        Some((id, _)) => id.clone(),
        None => new_run_id(&config),
    };
    if stored.is_none() && !auto_precision {
        journal.record(Entry::Run { id: run_id.clone(), config: Box::new(config.clone()) })?;
        journal.settle()?;
        summary::write_config(&run_dir, &config)?;
    }
    let store = Store::new(run_dir.join("checkpoints"));
    let begun = match from {
        // Taken into this run, so that it can begin from there again and again.
        Some((path, manifest, state)) => Some(import(&store, &run_id, &path, manifest, state)?),
        None => newest_of(&store)?,
    };
    let mut start = Start::fresh(&config);
    start.generation = journal.last_generation()?;
    start.history = journal.epochs()?;
    start.recoveries = journal.recoveries()?;
    let mut newest = None;
    if let Some((name, manifest, state)) = begun {
        if args.resume != "auto" && args.resume != "never" {
            // What was recorded after the checkpoint is void.
            journal.record(Entry::Rewind { epoch: manifest.position.epoch })?;
            journal.settle()?;
            start.history.retain(|record| record.epoch < manifest.position.epoch);
            summary::write_metrics(&run_dir, &start.history)?;
        }
        if start.history.is_empty() {
            start.base = (manifest.position.epoch, manifest.schedule.clone());
        }
        tracing::info!("going on from checkpoint {name} at {}", manifest.position);
        start.checkpoint = Some((name.clone(), manifest.position, state.totals));
        newest = Some((name, manifest.test_accuracy, Arc::new(state)));
    }
    Ok(Prepared { run_id, config, auto_precision, run_dir, journal, start, newest })
}

/// The checkpoint that `--resume PATH` names.
fn checkpoint_to_begin_from(args: &Args) -> Result<Option<(PathBuf, Manifest, State)>, Error> {
    if args.resume == "auto" || args.resume == "never" {
        return Ok(None);
    }
    let path = PathBuf::from(&args.resume);
    let (manifest, state) = checkpoint::read(&path)?;
    Ok(Some((path, manifest, state)))
}

fn newest_of(store: &Store) -> Result<Option<(String, Manifest, State)>, Error> {
    let (newest, damaged) = store.newest()?;
    for error in damaged {
        tracing::warn!("{error}; taking the one before");
    }
    Ok(newest)
}

fn import(
    store: &Store,
    run_id: &str,
    path: &Path,
    manifest: Manifest,
    state: State,
) -> Result<(String, Manifest, State), Error> {
    let inside = path.file_name().map(|name| store.path(&name.to_string_lossy()));
    let same = inside.is_some_and(|inside| inside.canonicalize().ok() == path.canonicalize().ok());
    if same && let Some(name) = path.file_name() {
        // Newer ones are of a course that is given up.
        store.remove_after(manifest.steps_done)?;
        return Ok((name.to_string_lossy().into_owned(), manifest, state));
    }
    store.remove_after(0)?;
    let saved = checkpoint::Saved {
        run_id,
        config: &manifest.config,
        schedule: &manifest.schedule,
        evaluation: manifest.test_loss.zip(manifest.test_accuracy),
        state: &state,
    };
    let (name, manifest) = store.write(&saved)?;
    Ok((name, manifest, state))
}

/// Unique enough to tell runs apart, and readable.
fn new_run_id(config: &RunConfig) -> String {
    let millis = (crate::journal::now() * 1000.0) as u64;
    format!("{}-{:x}-{:x}", config.model, millis, std::process::id())
}
