//! A libtorch that somebody has already.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::libtorch::VERSION;
use crate::workspace;

/// Prints where PyTorch is without importing it, which takes seconds.
const FIND_PYTORCH: &str =
    "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";

/// The libtorch that the environment points to, if that is not the workspace's own, after a look at its version.
///
/// `LIBTORCH_USE_PYTORCH` wins over `LIBTORCH`, as it does in torch-sys.
pub fn existing(cuda: bool) -> Result<Option<PathBuf>> {
    let (variable, folder) = if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        ("LIBTORCH_USE_PYTORCH", pytorch()?)
    } else {
        match env::var_os("LIBTORCH").map(PathBuf::from) {
            Some(folder) if !same(&folder, &workspace::libtorch()) => ("LIBTORCH", folder),
            _ => return Ok(None),
        }
    };
    let shown = folder.display();
    ensure!(folder.is_dir(), "{variable} points to {shown}, which is not a directory: correct or unset it");
    match version(&folder) {
        Some(found) if found == VERSION => {}
        Some(found) => bail!(
            "{variable} points to libtorch {found} in {shown}, and this project needs {VERSION}: install that, or unset \
             {variable} for set-up to fetch it"
        ),
        None => println!("{shown} does not say its version; going on as if it were {VERSION}"),
    }
    ensure!(
        !cuda || folder.join("lib/libtorch_cuda.so").exists(),
        "{variable} points to a libtorch without CUDA in {shown}: unset it for set-up to fetch one with it"
    );
    Ok(Some(folder))
}

fn pytorch() -> Result<PathBuf> {
    // The interpreter that torch-sys asks.
    let python = if env::var_os("VIRTUAL_ENV").is_some() { "python" } else { "python3" };
    let output = Command::new(python).args(["-c", FIND_PYTORCH]).output();
    let output = output.with_context(|| format!("LIBTORCH_USE_PYTORCH is set, and `{python}` does not run"))?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(
        !folder.is_empty(),
        "LIBTORCH_USE_PYTORCH is set, and `{python}` has no PyTorch: `{python} -m pip install torch=={VERSION}`, or \
         unset it"
    );
    Ok(folder.into())
}

/// The version without its suffix: from `build-version` (the archives of libtorch) or `version.py` (PyTorch).
fn version(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("build-version")).or_else(|_| {
        let text = fs::read_to_string(folder.join("version.py"))?;
        let quoted = text.lines().find_map(|line| line.strip_prefix("__version__ = ").map(str::to_owned));
        Ok::<_, std::io::Error>(quoted.unwrap_or_default().trim_matches(['\'', '"']).to_owned())
    });
    let text = text.ok()?;
    let version = text.trim().split('+').next().unwrap_or_default();
    (!version.is_empty()).then(|| version.to_owned())
}

fn same(a: &Path, b: &Path) -> bool {
    let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    whole(a) == whole(b)
}
