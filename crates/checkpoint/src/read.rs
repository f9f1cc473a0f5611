//! Reading checkpoints.

use crate::{Error, FileDigest, Manifest, disk, initial::slots, tensors};
use sha2::{Digest, Sha256};
use state::State;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub(crate) const MODEL: &str = "model.safetensors";
pub(crate) const TRAINING: &str = "training.safetensors";
pub(crate) const MANIFEST: &str = "manifest.json";

/// The manifest of the checkpoint at `path`; its tensors are not looked at.
///
/// # Errors
/// If there is none, or it cannot be understood.
pub fn read_manifest(path: &Path) -> Result<Manifest, Error> {
    let file = path.join(MANIFEST);
    let json = match disk::content(&file) {
        Ok(json) => json,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Of what is not there either, the system's words say more.
            fs::metadata(path).map_err(Error::io("find", path))?;
            return Err(Error::NotACheckpoint { path: path.to_owned() });
        }
        Err(error) => return Err(Error::io("read", file)(error)),
    };
    Manifest::parse(&file, &json)
}

/// As [`read_manifest`], and the other files are there with their sizes: all that can be told without reading them.
pub(crate) fn look_at(path: &Path) -> Result<Manifest, Error> {
    let manifest = read_manifest(path)?;
    for (name, expected) in &manifest.files {
        let file = path.join(name);
        let found = fs::metadata(&file).map_err(Error::io("read", &file))?;
        check_size(&file, found.len(), expected)?;
    }
    Ok(manifest)
}

/// The checkpoint at `path`, with every checksum verified.
///
/// # Errors
/// If it is no checkpoint, a file is missing, short or altered, or its weights are no numbers.
pub fn read(path: &Path) -> Result<(Manifest, State), Error> {
    let manifest = read_manifest(path)?;
    let architecture = manifest.config.architecture()?;
    let layout = architecture.layout();
    let verified = |name: &str| -> Result<(PathBuf, Vec<u8>), Error> {
        let file = path.join(name);
        let content = disk::content(&file).map_err(Error::io("read", &file))?;
        let Some(expected) = manifest.files.get(name) else {
            return Err(Error::damaged(file, &"the manifest does not name it"));
        };
        check_size(&file, content.len() as u64, expected)?;
        if digest(&content) != *expected {
            return Err(Error::damaged(file, &"its checksum is not the manifest's"));
        }
        Ok((file, content))
    };
    let (model_path, model) = verified(MODEL)?;
    let (training_path, training) = verified(TRAINING)?;
    let slots = slots(&manifest.config, layout);
    let files = ((model_path.as_path(), model.as_slice()), (training_path.as_path(), training.as_slice()));
    let state = tensors::state(layout, &slots, manifest.position, files.0, files.1)?;
    if !state.has_numbers() {
        return Err(Error::Diverged { holder: path.display().to_string() });
    }
    if tensors::weights_sha256(layout, &state, manifest.steps_done) != manifest.weights_sha256 {
        return Err(Error::damaged(path.join(MANIFEST), &"weights_sha256 is not that of its weights"));
    }
    Ok((manifest, state))
}

fn check_size(file: &Path, bytes: u64, expected: &FileDigest) -> Result<(), Error> {
    if bytes == expected.bytes {
        return Ok(());
    }
    Err(Error::damaged(file, &format!("it has {bytes} bytes instead of {}", expected.bytes)))
}

pub(crate) fn digest(content: &[u8]) -> FileDigest {
    FileDigest { bytes: content.len() as u64, sha256: tensors::hex(&Sha256::digest(content)) }
}
