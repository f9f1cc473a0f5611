//! What the kit holds, and the archive that it travels in.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::{Compression, write::GzEncoder};
use importers::cifar10::{FOLDER, RECORD_BYTES, all_files, files_in};

use super::TESTS;
use crate::cargo::Executable;
use crate::workspace;

/// Images of each file of the data set, as the crate `importers` has them with its feature `few`.
const FEW: u64 = 2_000;

/// The largest size of the archive, in bytes.
const MOST: u64 = 64 << 20;

/// Scripts, with their names in the kit.
const SCRIPTS: [(&str, &str); 3] = [
    ("kit.py", include_str!("../../gpu-kit/kit.py")),
    ("reference.py", include_str!("../../gpu-kit/reference.py")),
    ("article_resnet.py", include_str!("../../../tests/golden/article_resnet.py")),
];

/// An archive that was written.
pub struct Archive {
    pub path: PathBuf,
    pub bytes: u64,
}

/// Fills `kit`: `programs` go to bin, and `tests` go to tests under their own names. It also gets the data set, the
/// scripts, and the version of libtorch that all of it is built for.
pub fn pack(kit: &Path, version: &str, programs: &[Executable], tests: &[Executable]) -> Result<()> {
    ensure!(programs.len() == 3, "cargo has made {} of three programs: {programs:?}", programs.len());
    ensure!(tests.len() == TESTS.len(), "cargo has made {} of {} tests: {tests:?}", tests.len(), TESTS.len());
    if kit.exists() {
        fs::remove_dir_all(kit).with_context(|| format!("cannot remove {}", kit.display()))?;
    }
    let data = kit.join("data").join(FOLDER);
    for folder in [&kit.join("bin"), &kit.join("tests"), &data] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for (folder, executables) in [("bin", programs), ("tests", tests)] {
        for Executable { name, path: from, .. } in executables {
            let to = kit.join(folder).join(name);
            fs::copy(from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
    }
    let official = files_in(&workspace::data());
    for file in all_files() {
        let (from, to) = (official.join(file.name), data.join(file.name));
        let whole = File::open(&from).with_context(|| format!("cannot open {}", from.display()))?;
        let mut part = File::create(&to).with_context(|| format!("cannot make {}", to.display()))?;
        io::copy(&mut whole.take(FEW * RECORD_BYTES as u64), &mut part)
            .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    for (name, text) in SCRIPTS.iter().copied().chain([("version", version)]) {
        let path = kit.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Writes the folder `kit` to a compressed archive at `path`.
pub fn archive(kit: &Path, path: &Path) -> Result<Archive> {
    let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
    let mut builder = tar::Builder::new(GzEncoder::new(file, Compression::best()));
    let written = builder.append_dir_all("kit", kit).and_then(|()| builder.into_inner()?.finish());
    let bytes = written.and_then(|file| Ok(file.metadata()?.len()));
    let bytes = bytes.with_context(|| format!("cannot write {}", path.display()))?;
    ensure!(bytes <= MOST, "{} has {bytes} bytes, and {MOST} is the most that can be carried", path.display());
    Ok(Archive { path: path.to_owned(), bytes })
}
