//! The data set of a worker: on its disk, or sent once by the coordinator and kept.

use crate::{Args, Error};
use cifar::{Dataset, FileSpec, Split};
use config::RunConfig;
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
    let directory = match &args.data_dir {
        Some(directory) => directory.clone(),
        None => fetch(args, client).await?,
    };
    let (train, test) = (config.train_samples as usize, config.test_samples as usize);
    spawn_blocking(move || {
        let open = |split, samples| {
            Dataset::open(&directory, split, Some(samples)).map_err(|error| Error::Data(error.to_string()))
        };
        Ok(Data { train: Arc::new(open(Split::Train, train)?), test: Arc::new(open(Split::Test, test)?) })
    })
    .await
    .map_err(|error| Error::Data(error.to_string()))?
}

fn specs() -> impl Iterator<Item = &'static FileSpec> {
    Split::Train.files().iter().chain(Split::Test.files())
}

async fn fetch(args: &Args, client: &mut ClusterClient<Channel>) -> Result<PathBuf, Error> {
    let directory = cache_directory(args);
    fs::create_dir_all(&directory).map_err(|source| Error::Cache { path: directory.clone(), source })?;
    for spec in specs() {
        let path = directory.join(spec.name);
        if is_whole(&path, spec).await {
            continue;
        }
        let start = Instant::now();
        receive(client, spec, &path).await?;
        if !is_whole(&path, spec).await {
            return Err(Error::Data(format!(
                "the coordinator sent {} with a wrong checksum; look at the data set there",
                spec.name
            )));
        }
        tracing::info!("got {} from the coordinator in {:.1} s", spec.name, start.elapsed().as_secs_f64());
    }
    Ok(directory)
}

/// Named by the checksums of the files that are to be in it.
fn cache_directory(args: &Args) -> PathBuf {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    specs().for_each(|spec| hash.update(spec.sha256));
    let digest = hash.finalize();
    let key = u64::from_be_bytes(std::array::from_fn(|index| digest[index]));
    let base = args.cache_dir.clone().unwrap_or_else(|| {
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let cache = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home);
        cache.unwrap_or_else(env::temp_dir).join("coxswain")
    });
    base.join(format!("cifar10-{key:016x}"))
}

async fn is_whole(path: &Path, spec: &'static FileSpec) -> bool {
    let path = path.to_owned();
    spawn_blocking(move || cifar::verify_file(&path, spec).is_ok()).await.unwrap_or(false)
}

/// Writes aside, each worker of a machine on its own, and renames into place.
async fn receive(client: &mut ClusterClient<Channel>, spec: &'static FileSpec, path: &Path) -> Result<(), Error> {
    let failed = |status: Status| {
        let why = format!("the coordinator cannot send {}: {}", spec.name, status.message());
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
    let mut request = Request::new(GetDatasetRequest { file: spec.name.to_owned() });
    request.set_timeout(DEADLINE);
    let mut chunks = client.get_dataset(request).await.map_err(failed)?.into_inner();
    let aside = path.with_extension(format!("{}.part", std::process::id()));
    let mut file = File::create(&aside).await.map_err(cannot_write(&aside))?;
    while let Some(chunk) = chunks.message().await.map_err(failed)? {
        file.write_all(&chunk.data).await.map_err(cannot_write(&aside))?;
    }
    file.sync_all().await.map_err(cannot_write(&aside))?;
    fs::rename(&aside, path).map_err(cannot_write(path))
}
