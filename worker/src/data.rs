//! The data set of a worker: on its disk, or sent once by the coordinator and kept.

use crate::{Args, Error};
use config::RunConfig;
use data::{Blob, Dataset, DatasetSpec, Split};
use program::variable;
use proto::v1::{GetDatasetRequest, cluster_client::ClusterClient};
use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{fs::File, io::AsyncWriteExt, task::spawn_blocking};
use tonic::{Code, Request, Status, transport::Channel};

/// How long one file may take to be sent.
const DEADLINE: Duration = Duration::from_mins(10);

/// The training and test sets of a run.
#[derive(Debug, Clone)]
pub struct Data {
    /// The training set.
    pub train: Arc<Dataset>,
    /// The test set.
    pub test: Arc<Dataset>,
}

/// Whether `args.data_dir`, if there is one, can hold a data set at all.
///
/// # Errors
/// If it is no directory.
pub fn check(args: &Args) -> Result<(), Error> {
    match &args.data_dir {
        Some(directory) if !directory.is_dir() => {
            Err(Error::Data(format!("--data-dir {} is no directory", directory.display())))
        }
        _ => Ok(()),
    }
}

/// Opens the data set in `args.data_dir`, or in the cache, where what is missing is sent by the coordinator first.
///
/// # Errors
/// If the data is missing or altered, cannot be sent or cannot be kept.
pub async fn open(args: &Args, config: &RunConfig, client: &mut ClusterClient<Channel>) -> Result<Data, Error> {
    // It came over the wire: checksums become file names, and numbers sizes.
    config.check().map_err(|error| Error::Data(format!("the coordinator's configuration: {error}")))?;
    let spec = Arc::new(config.dataset.clone());
    let directory = args.data_dir.clone();
    let cache = cache_directory(args);
    if directory.is_none() {
        fetch(&cache, &spec, client).await?;
    }
    let (train, test) = (config.train_samples as usize, config.test_samples as usize);
    spawn_blocking(move || {
        let path_of = |blob: &Blob| match &directory {
            Some(directory) => importers::path_of(&spec, directory, blob),
            None => cache.join(&blob.sha256),
        };
        let open = |split, samples| {
            Dataset::open(&spec, split, Some(samples), path_of).map_err(|error| Error::Data(error.to_string()))
        };
        Ok(Data { train: Arc::new(open(Split::Train, train)?), test: Arc::new(open(Split::Test, test)?) })
    })
    .await
    .map_err(|error| Error::Data(error.to_string()))?
}

/// Has the coordinator send what of `spec` is not in `cache`.
async fn fetch(cache: &Path, spec: &DatasetSpec, client: &mut ClusterClient<Channel>) -> Result<(), Error> {
    fs::create_dir_all(cache).map_err(|source| Error::Cache { path: cache.to_owned(), source })?;
    let files = spec.all_blobs().count();
    for (blob, number) in spec.all_blobs().zip(1..) {
        let path = cache.join(&blob.sha256);
        if is_whole(&path, blob).await {
            continue;
        }
        let what = format!("file {number} of {files} of {}", spec.name);
        let start = Instant::now();
        let aside = path.with_extension(format!("{}.part", std::process::id()));
        let received = receive(client, blob, &what, &aside).await;
        let placed = match received {
            Ok(()) if is_whole(&aside, blob).await => {
                fs::rename(&aside, &path).map_err(|source| Error::Cache { path: path.clone(), source })
            }
            Ok(()) => {
                let why = format!("the coordinator sent {what} with a wrong checksum; look at the data set there");
                Err(Error::Data(why))
            }
            Err(error) => Err(error),
        };
        if placed.is_err() {
            // A part is of no use to anybody.
            let _ = fs::remove_file(&aside);
        }
        placed?;
        tracing::info!("got {what} from the coordinator in {:.1} s", start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Where files of data sets are kept, each under its checksum. Data sets may share them.
fn cache_directory(args: &Args) -> PathBuf {
    let base = args.cache_dir.clone().unwrap_or_else(|| {
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let cache = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
        cache.unwrap_or_else(env::temp_dir).join("coxswain")
    });
    base.join("blobs")
}

async fn is_whole(path: &Path, blob: &Blob) -> bool {
    let (path, blob) = (path.to_owned(), blob.clone());
    spawn_blocking(move || data::verify(&path, &blob).is_ok()).await.unwrap_or(false)
}

/// Writes what the coordinator sends of `blob` to `aside`: each worker of a machine to a file of its own. No more is taken than the
/// file has.
async fn receive(client: &mut ClusterClient<Channel>, blob: &Blob, what: &str, aside: &Path) -> Result<(), Error> {
    let failed = |status: Status| {
        let why = format!("the coordinator cannot send {what}: {}", status.message());
        match status.code() {
            // In its own words.
            Code::NotFound | Code::DataLoss => Error::Data(why),
            _ => Error::Interrupted(why),
        }
    };
    let cannot_write = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Cache { path, source }
    };
    let mut request = Request::new(GetDatasetRequest { sha256: blob.sha256.clone() });
    request.set_timeout(DEADLINE);
    let mut chunks = client.get_dataset(request).await.map_err(failed)?.into_inner();
    let mut file = File::create(aside).await.map_err(cannot_write(aside))?;
    let mut left = blob.bytes;
    while let Some(chunk) = chunks.message().await.map_err(failed)? {
        left = left.checked_sub(chunk.data.len() as u64).ok_or_else(|| {
            Error::Data(format!("the coordinator sent more of {what} than it has; look at the data set there"))
        })?;
        file.write_all(&chunk.data).await.map_err(cannot_write(aside))?;
    }
    file.sync_all().await.map_err(cannot_write(aside))
}
