//! A coordinator from its start to its end.

use crate::{
    alerts::Alerts,
    args::Args,
    begin::{Begun, begin},
    complete, connections,
    display::Display,
    error::Error,
    gallery::{Gallery, Painter},
    helm::{Helm, HelmInput, HelmOptions, Tickets},
    kubeflow::{Place, Reports},
    local::{LocalOptions, LocalProcesses, LocalWorkers, worker_program},
    server::{GRACE, Served, broken, engine},
    services::{ClusterOptions, ClusterService, Predictor, TrainingService, requests},
    surface::{Opened, Surface},
    web::{Http, Others, Site},
};
use checkpoint::{Retention, Store};
use chronicle::Chronicle;
use config::RunConfig;
use data::Split;
use inference::{Engine, EngineOptions, Memory, Source};
use page::{Images, Shown};
use plan::Timeouts;
use proto::v1::Run;
use std::{
    env,
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Instant,
};
use steering::{Course, Options};
use telemetry::Telemetry;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::spawn_blocking,
    time::{interval, timeout},
};

/// Inputs under way to the helm at most.
const INPUTS: usize = 1024;

/// Runs a coordinator that serves on `listener`. `stop` ending means: save after the step in progress, then end. Its value
/// says who asks. The processes of local workers are known to `processes`. Spans go to `telemetry`.
///
/// # Errors
/// Why it cannot run, or failed.
pub async fn run(
    args: Args,
    listener: TcpListener,
    display: Display,
    stop: impl Future<Output = String> + Send + 'static,
    processes: LocalProcesses,
    telemetry: Telemetry,
) -> Result<(), Error> {
    let program = args.local.then(worker_program).transpose()?;
    let mut stop = Box::pin(async move { format!("asked to by {}", stop.await) });
    let timeouts = Timeouts::new(args.failure_timeout)?;
    let address = listener.local_addr().map_err(|source| Error::Listen { address: args.listen, source })?;
    let page = args.http.unwrap_or(Http::On(address.ip())).bind().await?;
    let Some(begun) = begin_unless(&mut stop, args.clone()).await? else { return Ok(()) };
    tracing::info!("run {} in {}, listening on {address}", begun.run_id, begun.run_dir.display());
    let complete = begun.start.is_complete(begun.config.epochs);
    if complete {
        complete::tell(&begun, &display)?;
        if !args.serve {
            return Ok(());
        }
    }
    let epochs = begun.config.epochs;
    let (run_dir, profile) = (begun.run_dir.clone(), profile_dir(&args, &begun.run_dir));
    let mut running = start(&args, begun, &display, timeouts, listener, (complete, telemetry)).await?;
    if let Some(listener) = page {
        running.site = Some(Site::start(
            listener,
            (vec![running.shown.clone()], true),
            Some(&running.others),
            connections::of_the_page(connections::most()),
            &args.http_origin,
            &display,
        )?);
    }
    let workers = program.filter(|_| !complete).map(|program| {
        LocalWorkers::start(&LocalOptions {
            program,
            count: args.workers,
            least: args.min_workers,
            address,
            data_dir: &args.data_dir,
            run_dir: &run_dir,
            profile: profile.as_deref(),
            otlp_endpoint: args.otlp_endpoint.as_deref(),
            farewell: timeouts.farewell,
            log: display.log(),
            view: running.view.clone(),
            processes,
        })
    });
    let told = || {
        let (view, inputs, chronicle) = (running.view.clone(), running.inputs.clone(), running.chronicle.clone());
        Alerts::start(args.alerts.options(args.local), &run_dir, view, inputs, chronicle)
    };
    let alerts = (!complete).then(told).transpose()?;
    let painter = running.painter.take().filter(|_| !complete);
    let gallery = painter.map(|painter| Gallery::start(painter, running.view.clone()));
    let reports = (!complete).then(|| reports(epochs, running.view.clone())).transpose()?.flatten();
    let serve = args.serve.then_some(address);
    running.until_over(workers, (alerts, reports, gallery), stop, timeouts, serve).await
}

/// A coordinator at work.
struct Running {
    /// To the helm.
    inputs: mpsc::Sender<HelmInput>,
    /// What others see of the run.
    view: watch::Receiver<Run>,
    /// What the run has been through.
    chronicle: watch::Sender<Chronicle>,
    /// What the helm comes to.
    helm_ended: Ended,
    /// What the server comes to.
    server: Served,
    /// The server closes when this is dropped.
    close: oneshot::Sender<()>,
    /// What the page shows.
    shown: Shown,
    /// What is served on the page's port beside it.
    others: Others,
    /// The page, where there is one.
    site: Option<Site>,
    /// Who makes pictures of the model.
    painter: Option<Painter>,
}

/// Takes the helm of the run that has `begun`, and serves on `listener`.
async fn start(
    args: &Args,
    begun: Begun,
    display: &Display,
    timeouts: Timeouts,
    listener: TcpListener,
    (complete, telemetry): (bool, Telemetry),
) -> Result<Running, Error> {
    let Begun { run_id, config, precision, run_dir, journal, start, newest } = begun;
    let (model, architecture) = (config.model.clone(), config.architecture()?);
    let tickets = Tickets::default();
    let dataset = Arc::new(config.dataset.clone());
    let store = Store::new(run_dir.join("checkpoints"));
    let weights_sha256 = newest.as_ref().map_or_else(String::new, |(_, manifest, _)| manifest.weights_sha256.clone());
    let known = newest.as_ref().map(|(name, manifest, _)| (name.clone(), manifest.test_accuracy));
    let (source, memory) = (Source::Store(store.of_run(&run_id)), Memory::from_mib(args.predict_memory));
    let engine = engine(EngineOptions { dataset: Arc::clone(&dataset), source, memory, newest }).await?;
    let predictor = Predictor::new(engine.clone(), telemetry.clone(), &run_id);
    let painter = Some(painter(args, &config, &engine, &run_dir));
    let cluster = ClusterOptions {
        store,
        run_id: run_id.clone(),
        slots: checkpoint::slots(&config, architecture.layout()),
        dataset: Arc::clone(&dataset),
        data_dir: args.data_dir.clone(),
        timeouts,
        tickets: tickets.clone(),
    };
    let (inputs, receiver) = mpsc::channel(INPUTS);
    let chronicle = watch::Sender::new(journal.chronicle()?);
    let (kept, followed) = (chronicle.clone(), chronicle.subscribe());
    let (name, images) = (run_dir.display().to_string(), test_images(args, &config));
    let (told, of_run) = (chronicle.subscribe(), cluster.store.of_run(&run_id));
    let options = HelmOptions {
        options: steering_options(args, &config, timeouts),
        config,
        start,
        run_id,
        precision,
        allow_mixed: args.allow_mixed,
        timeouts,
        tickets,
        run_dir,
        chronicle,
        journal,
        retention: Retention { last: args.keep, best: true },
        engine,
        telemetry,
        wanted: args.workers,
        weights_sha256,
        display: display.clone(),
        newest: known,
    };
    let (helm, view) = Helm::new(options, inputs.clone())?;
    let helm_ended = if complete { over_already(helm, receiver) } else { steer(helm, receiver)? };
    let surface = Surface {
        name,
        model,
        images,
        predictor,
        requests: requests(memory),
        training: TrainingService::new(view.clone(), told, of_run, inputs.clone()),
        cluster: ClusterService::new(inputs.clone(), cluster),
        view: view.clone(),
        chronicle: followed,
    };
    let Opened { server, close, shown, others } = surface.open(listener, timeouts).await?;
    Ok(Running { inputs, view, chronicle: kept, helm_ended, server, close, shown, others, site: None, painter })
}

/// Who makes pictures of the model.
fn painter(args: &Args, config: &RunConfig, engine: &Engine, run_dir: &Path) -> Painter {
    Painter {
        engine: engine.clone(),
        dataset: Arc::new(config.dataset.clone()),
        data_dir: args.data_dir.clone(),
        test_images: config.test_samples as usize,
        model: config.model.clone(),
        run_dir: run_dir.to_owned(),
    }
}

impl Running {
    /// Goes on until the run is over, or `stop` ends with the reason to stop. With `serve` it answers predictions on
    /// that address after the run.
    async fn until_over(
        self,
        mut workers: Option<LocalWorkers>,
        (alerts, reports, gallery): (Option<Alerts>, Option<Reports>, Option<Gallery>),
        mut stop: impl Future<Output = String> + Unpin,
        timeouts: Timeouts,
        serve: Option<SocketAddr>,
    ) -> Result<(), Error> {
        let Self { inputs, view, mut helm_ended, mut server, close, site, .. } = self;
        let mut stopping = false;
        let mut tick = interval(timeouts.tick);
        let result = loop {
            tokio::select! {
                result = &mut helm_ended => {
                    break result.unwrap_or_else(|_| Err(Error::Serve("the helm died".to_owned())));
                }
                ended = &mut server => return Err(broken(ended)),
                reason = &mut stop, if !stopping => {
                    stopping = true;
                    // If the helm is gone its result is next.
                    let _ = inputs.send(HelmInput::Stop { reason }).await;
                }
                _ = tick.tick() => {
                    // A helm that is busy looks at the time later.
                    let _ = inputs.try_send(HelmInput::Tick { at: Instant::now() });
                    if let Some(workers) = &mut workers {
                        workers.report(&view.borrow(), &inputs);
                    }
                }
            }
        };
        let result = match workers {
            Some(workers) => workers.end(result).await,
            None => result,
        };
        tokio::join!(
            async {
                if let Some(alerts) = alerts {
                    alerts.end().await;
                }
            },
            async {
                if let Some(reports) = reports {
                    reports.end().await;
                }
            },
            async {
                if let Some(gallery) = gallery {
                    gallery.end().await;
                }
            }
        );
        if let Some(address) = serve.filter(|_| result.is_ok() && !stopping) {
            tracing::info!("training is over; answering predictions on {address} until stopped");
            stop.await;
        }
        drop(close);
        if let Some(site) = site {
            site.close().await;
        }
        // Streams of workers that are gone may linger; they are not waited for.
        let _ = timeout(GRACE, server).await;
        result
    }
}

/// Tells Kubeflow how far the run is, within one of its jobs. What is wrong there stops no run.
fn reports(epochs: u32, view: watch::Receiver<Run>) -> Result<Option<Reports>, Error> {
    let place = match Place::of(|name| env::var(name).ok()) {
        Some(Ok(place)) => place,
        Some(Err(why)) => {
            tracing::warn!("Kubeflow is not told how far the run is: {why}");
            return Ok(None);
        }
        None => return Ok(None),
    };
    Reports::start(place, epochs, view).map(Some)
}

/// What the helm comes to.
type Ended = oneshot::Receiver<Result<(), Error>>;

/// Has a thread of its own at the helm.
fn steer(helm: Helm, mut inputs: mpsc::Receiver<HelmInput>) -> Result<Ended, Error> {
    let (over, ended) = oneshot::channel();
    let body = move || {
        // The receiver only goes away with the whole coordinator.
        let _ = over.send(helm.run(&mut inputs));
    };
    thread::Builder::new().name("helm".to_owned()).spawn(body).map_err(|error| Error::Serve(error.to_string()))?;
    Ok(ended)
}

/// The end of a run that was complete before it began. There is nothing to steer, so the helm is dropped.
fn over_already(helm: Helm, inputs: mpsc::Receiver<HelmInput>) -> Ended {
    drop((helm, inputs));
    let (over, ended) = oneshot::channel();
    // The receiver is there.
    let _ = over.send(Ok(()));
    ended
}

/// What steering has to know of a run.
fn steering_options(args: &Args, config: &RunConfig, timeouts: Timeouts) -> Options {
    let RunConfig { epochs, batch_size, shards, train_samples, test_samples, .. } = *config;
    let classes = config.dataset.classes.len();
    Options {
        course: Course {
            epochs,
            batch_size,
            shards,
            train_samples,
            test_samples,
            classes,
            rate: config.learning_rate(),
        },
        workers: args.workers,
        min_workers: args.min_workers,
        failure_timeout: timeouts.failure,
        checkpoint_every: args.checkpoint_every,
    }
}

/// Where traces of local workers go, if they are wanted.
fn profile_dir(args: &Args, run_dir: &Path) -> Option<PathBuf> {
    args.profile.as_ref()?.directory(run_dir.join("profile"))
}

/// The test images, for those who look at them.
fn test_images(args: &Args, config: &RunConfig) -> Arc<Images> {
    let (spec, limit) = (Arc::new(config.dataset.clone()), config.test_samples as usize);
    let data_dir = args.data_dir.clone();
    Arc::new(Images::new(move || {
        importers::open(&spec, &data_dir, Split::Test, Some(limit)).map_err(|error| error.to_string())
    }))
}

/// That the data set is there, as far as `config` uses it.
fn check_data(args: &Args, config: &RunConfig) -> Result<(), Error> {
    let spec = Arc::new(config.dataset.clone());
    for split in Split::ALL {
        let limit = if split == Split::Train { config.train_samples } else { config.test_samples };
        importers::open(&spec, &args.data_dir, split, Some(limit as usize))?;
    }
    Ok(())
}

/// What a coordinator finds before it begins; nothing if it is asked to stop before that.
async fn begin_unless(stop: &mut (impl Future<Output = String> + Unpin), args: Args) -> Result<Option<Begun>, Error> {
    tokio::select! {
        begun = spawn_blocking(move || begin(&args, |config| check_data(&args, config))) => {
            begun.map_err(|error| Error::Serve(error.to_string()))?.map(Some)
        }
        reason = stop => {
            // Nothing has begun, and the same command begins it.
            tracing::info!("stopped before the run began: {reason}");
            Ok(None)
        }
    }
}
