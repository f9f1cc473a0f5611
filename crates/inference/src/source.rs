//! Where checkpoints to answer from are.

use crate::{
    answer::{ModelInfo, PredictError},
    model::{Model, epochs},
};
use checkpoint::{Manifest, Store};
use data::DatasetSpec;
use std::path::{Path, PathBuf};

/// Where checkpoints to answer from are.
#[derive(Debug, Clone)]
pub enum Source {
    /// In the directory of a run's checkpoints.
    Store(Store),
    /// The one in this directory.
    One(PathBuf),
}

impl Source {
    /// All of them, oldest first.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn models(&self) -> Result<Vec<ModelInfo>, checkpoint::Error> {
        let found = match self {
            Self::Store(store) => store.list()?,
            Self::One(path) => vec![(name_of(path), checkpoint::read_manifest(path)?)],
        };
        let mut models: Vec<ModelInfo> = found.iter().map(|(name, manifest)| info(name, manifest)).collect();
        if let Some(last) = models.last_mut() {
            last.newest = true;
        }
        let best = match self {
            Self::Store(_) => checkpoint::best(&found.into_iter().map(|(_, manifest)| manifest).collect::<Vec<_>>()),
            Self::One(_) => Some(0),
        };
        if let Some(best) = best {
            models[best].best = true;
        }
        Ok(models)
    }

    /// The checkpoint `name`, ready to answer.
    pub(crate) fn load(&self, name: &str, dataset: &DatasetSpec) -> Result<Model, PredictError> {
        let unusable = |why: String| PredictError::Unusable { name: name.to_owned(), why };
        let models = self.models().map_err(|error| unusable(error.to_string()))?;
        // A name may be anything that a stranger sends: only what is listed is looked for.
        if !models.iter().any(|model| model.name == name) {
            let known = models.into_iter().map(|model| model.name).collect();
            return Err(PredictError::NotFound { name: name.to_owned(), known });
        }
        let path = match self {
            Self::Store(store) => store.path(name),
            Self::One(path) => path.clone(),
        };
        let (manifest, state) = checkpoint::read(&path).map_err(|error| unusable(error.to_string()))?;
        Model::new(name, &manifest, &state, dataset).map_err(unusable)
    }
}

/// The name of the checkpoint in the directory `path`.
fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn info(name: &str, manifest: &Manifest) -> ModelInfo {
    ModelInfo {
        name: name.to_owned(),
        step: manifest.steps_done,
        epoch: epochs(manifest),
        accuracy: manifest.test_accuracy,
        newest: false,
        best: false,
        bytes: manifest.files.values().map(|file| file.bytes).sum(),
        written_at: manifest.written_at,
    }
}
