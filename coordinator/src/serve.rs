//! `coordinator serve`: answers predictions from what a run has left, without training.
//!
//! It only reads. So it can stand beside the coordinator of the run, and on a disk that cannot be written to.

use crate::{
    args::one_machine,
    connections::{most, of_the_page},
    display::Display,
    error::Error,
    health::READY,
    server::{GRACE, LARGEST_QUESTION, broken, engine, routes, serve, soon},
    services::{Predictor, StandardBackend, Timely, TrainingService, requests},
    web::{Course, Http, Origin, Others, Site, served},
};
use checkpoint::{Manifest, Store};
use clap::Parser;
use inference::{Engine, EngineOptions, Memory, Source};
use page::Shown;
use plan::Timeouts;
use program::{Format, arguments};
use proto::v1::training_server::TrainingServer;
use state::State;
use std::{
    ffi::OsString,
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use telemetry::Telemetry;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::spawn_blocking,
    time::{interval, timeout},
};
use tonic::service::Routes;
use tonic_health::ServingStatus;

/// How often a run directory is looked at for newer checkpoints.
const LOOK: Duration = Duration::from_secs(2);
/// How often a run's journal is, as long as it cannot be read.
const READ_AGAIN: Duration = Duration::from_secs(30);
/// Silent connections are looked after as in a run with the default time-outs.
const FAILURE: Duration = Duration::from_secs(10);
/// The word that stands before the other arguments.
const WORD: &str = "serve";

/// Answers predictions from a run directory or one checkpoint, without training
#[derive(Debug, Clone, Parser)]
#[command(name = "coordinator serve", version)]
pub struct ServeArgs {
    /// A run directory: its newest, its best and all its checkpoints answer, those that come later too. Or one checkpoint
    #[arg(value_name = "RUN_OR_CHECKPOINT")]
    pub path: PathBuf,

    /// The address for clients
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051", value_parser = one_machine)]
    pub listen: SocketAddr,

    /// The address of the page and of the standard protocol over HTTP; without a port, the first that is free from 8080 on;
    /// off for none
    #[arg(long, value_name = "ADDR|off", default_value = "127.0.0.1")]
    pub http: Http,

    /// Let pages of this site ask in a browser, such as https://host:8000. May be given several times. Pages of other sites may not
    #[arg(long, value_name = "SITE", value_delimiter = ',')]
    pub http_origin: Vec<Origin>,

    /// Where the data set's files are, for the page's pictures
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub data_dir: PathBuf,

    /// What pictures that are to be predicted may take of the memory in all, in MiB; what does not fit waits, or is refused
    #[arg(long, value_name = "MIB", default_value_t = 640, value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    pub predict_memory: u32,

    /// Send spans of predictions to the OpenTelemetry collector at this URL, over gRPC, or off
    #[arg(long, value_name = "URL|off", value_parser = telemetry::endpoint)]
    pub otlp_endpoint: Option<String>,

    /// Log lines as text or as JSON
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub log_format: Format,
}

impl ServeArgs {
    /// Reads a command line that begins with `coordinator serve`, and the environment. `None` if it begins otherwise.
    ///
    /// # Errors
    /// What makes no sense, or which help was asked for.
    pub fn read(line: &[OsString]) -> Option<Result<Self, Error>> {
        let rest = line.get(1).filter(|word| *word == WORD).map(|_| &line[1..])?;
        Some(arguments::read(arguments::command::<Self>(&[]), rest, &[]).map_err(Error::from))
    }
}

/// What there is to answer from.
struct Found {
    source: Source,
    name: String,
    manifest: Manifest,
    state: State,
}

/// Answers predictions on `listener` until `stop` ends.
///
/// # Errors
/// If there is nothing to answer from, or the server breaks.
pub async fn run_serve(
    args: ServeArgs,
    listener: TcpListener,
    display: &Display,
    stop: impl Future<Output = String>,
    telemetry: Telemetry,
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(|source| Error::Listen { address: args.listen, source })?;
    let timeouts = Timeouts::new(FAILURE)?;
    let page = args.http.bind().await?;
    let path = args.path.clone();
    let found = spawn_blocking(move || find(&path)).await.map_err(|error| Error::Serve(error.to_string()))??;
    let Found { source, name, manifest, state } = found;
    let memory = Memory::from_mib(args.predict_memory);
    let dataset = Arc::new(manifest.config.dataset.clone());
    let run_id = manifest.run_id.clone();
    let model = manifest.config.model.clone();
    let told = manifest.clone();
    let newest = Some((name.clone(), manifest, Arc::new(state)));
    let engine = engine(EngineOptions { dataset, source: source.clone(), memory, newest }).await?;
    let requests = requests(memory);
    let predictor = Predictor::new(engine.clone(), telemetry, &run_id);
    let (routes, health) = routes(predictor.clone(), &model, &requests, timeouts).await?;
    health.set_service_status(READY, ServingStatus::Serving).await;
    let (shown, course) = shown(&args, (name.clone(), told), predictor.clone()).await?;
    let routes = looked_at(routes, &shown, &source, timeouts);
    let site = match page {
        Some(page) => {
            let standard = Arc::new(StandardBackend::new(predictor.clone(), &model));
            let others = Others::new(standard, routes.clone(), requests, shown.run.clone(), shown.chronicle.clone());
            let connections = of_the_page(most());
            Some(Site::start(page, (vec![shown], false), Some(&others), connections, &args.http_origin, display)?)
        }
        None => None,
    };
    let (mut server, close) = serve(routes, listener, timeouts);
    tracing::info!("answering by {name} ({model}) of {}, listening on {address}", args.path.display());
    let reason = tokio::select! {
        ended = &mut server => return Err(broken(ended)),
        reason = stop => reason,
        never = follow(engine, source, name, course) => match never {},
    };
    tracing::info!("ending, asked to by {reason}");
    drop(close);
    if let Some(site) = site {
        site.close().await;
    }
    // Clients that read nothing are not waited for.
    let _ = timeout(GRACE, server).await;
    Ok(())
}

/// What the page shows.
async fn shown(
    args: &ServeArgs,
    (name, newest): (String, Manifest),
    predictor: Predictor,
) -> Result<(Shown, Course), Error> {
    let (path, data_dir) = (args.path.clone(), args.data_dir.clone());
    let read = spawn_blocking(move || served(&path, (&name, &newest), &data_dir, predictor)).await;
    read.map_err(|error| Error::Serve(error.to_string()))
}

/// With what people ask of a run. There is nothing to steer.
fn looked_at(routes: Routes, shown: &Shown, source: &Source, timeouts: Timeouts) -> Routes {
    let store = match source {
        Source::Store(store) => store.clone(),
        Source::One(path) => Store::new(path.parent().unwrap_or(path)),
    };
    let nobody = mpsc::channel(1).0;
    let training = TrainingService::new(shown.run.clone(), shown.chronicle.clone(), store, nobody);
    let training = TrainingServer::new(training).max_decoding_message_size(LARGEST_QUESTION);
    routes.add_service(Timely::new(training, soon(timeouts)))
}

/// Has newer checkpoints answer as they come.
async fn follow(engine: Engine, source: Source, mut newest: String, mut course: Course) -> std::convert::Infallible {
    let Source::Store(store) = source else { return std::future::pending().await };
    let mut look = interval(LOOK);
    // The one that could not be read, of which people were told.
    let mut unread = String::new();
    let mut course_read = Instant::now();
    loop {
        look.tick().await;
        if course_read.elapsed() > READ_AGAIN {
            course.catch_up().await;
            course_read = Instant::now();
        }
        // What cannot be read now may be read at the next look.
        let Ok(models) = engine.models().await else { continue };
        let Some(name) = models.last().map(|model| model.name.clone()).filter(|name| *name != newest) else { continue };
        let (path, engine, of) = (store.path(&name), engine.clone(), name.clone());
        let load = move || {
            checkpoint::read(&path).map(|(manifest, state)| {
                engine.load(&of, &manifest, &state);
                manifest
            })
        };
        match spawn_blocking(load).await {
            Ok(Ok(manifest)) => {
                tracing::info!("answering by {name} from now on");
                course.answers(&name, &manifest).await;
                newest = name;
            }
            // A disk may be busy: it is tried again at the next look.
            Ok(Err(error)) if unread != name => {
                tracing::warn!("{error}; {newest} goes on answering");
                unread = name;
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// What is at `path`.
fn find(path: &Path) -> Result<Found, Error> {
    let nothing = |why: String| Error::NothingToServe { path: path.to_owned(), why };
    if !path.try_exists().map_err(|error| nothing(error.to_string()))? {
        return Err(nothing("there is nothing".to_owned()));
    }
    if !path.is_dir() {
        return Err(nothing("it is a file, and runs and checkpoints are directories".to_owned()));
    }
    match checkpoint::read(path) {
        Ok((manifest, state)) => {
            let path = path.canonicalize().map_err(|error| nothing(error.to_string()))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Ok(Found { source: Source::One(path), name, manifest, state });
        }
        Err(checkpoint::Error::NotACheckpoint { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let store = Store::new(path.join("checkpoints"));
    if !store.root().is_dir() {
        return Err(nothing("it is neither: it has no manifest.json and no folder checkpoints".to_owned()));
    }
    let (newest, passed_over) = store.newest()?;
    let Some((name, manifest, state)) = newest else {
        let why: Vec<String> = passed_over.iter().map(|passed| format!("{}: {}", passed.name, passed.why)).collect();
        let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
        return Err(nothing(format!("there is no checkpoint in it that can be read{why}")));
    };
    for passed in &passed_over {
        tracing::warn!("{} cannot answer: {}", passed.name, passed.why);
    }
    // Those of other runs do not count, as for the run's own coordinator.
    let store = store.of_run(&manifest.run_id);
    Ok(Found { source: Source::Store(store), name, manifest, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_serve_is_its_own() {
        let read = |words: &[&str]| {
            let line: Vec<OsString> = ["coordinator"].iter().chain(words).map(OsString::from).collect();
            ServeArgs::read(&line)
        };
        assert!(read(&[]).is_none() && read(&["--serve"]).is_none());
        let args = read(&["serve", "runs/a", "--listen", "127.0.0.1:0"]).unwrap().unwrap();
        assert_eq!((args.path, args.listen.port()), (PathBuf::from("runs/a"), 0));
        assert!(read(&["serve"]).unwrap().is_err(), "of what?");
    }

    #[test]
    fn what_is_neither_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let why = |path: &Path| find(path).map(|_| ()).unwrap_err().to_string();
        assert!(why(&directory.path().join("no")).contains("there is nothing"));
        let note = directory.path().join("note.txt");
        std::fs::write(&note, "x").unwrap();
        assert!(why(&note).contains("it is a file"), "{}", why(&note));
        assert!(why(directory.path()).contains("no manifest.json and no folder checkpoints"));
        std::fs::create_dir(directory.path().join("checkpoints")).unwrap();
        assert!(why(directory.path()).contains("no checkpoint in it"));
        std::fs::write(directory.path().join("manifest.json"), "{}").unwrap();
        assert!(why(directory.path()).contains("damaged"));
    }

    #[test]
    fn the_reference_page_tells_of_every_flag() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/settings.md");
        let section = program::reference::section(&arguments_command(), &[]);
        program::reference::check(&page, "coordinator serve", &section).unwrap();
    }

    fn arguments_command() -> clap::Command {
        use clap::CommandFactory;
        ServeArgs::command()
    }
}
