//! libtorch, from the wheels of PyTorch.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use zip::ZipArchive;

use super::existing::existing;
use super::layout::{Flavour, destination};
use super::progress::bar;
use super::tools;
use super::wheels::{Wheel, check_platform};
use crate::cargo::{cargo, run};
use crate::{stamp, workspace};

/// The version that the bindings are written for.
pub const VERSION: &str = OURS.version;

/// A release of libtorch, and the wheels that hold it.
#[derive(Debug, Clone, Copy)]
pub struct Release {
    pub version: &'static str,
    cpu: &'static str,
    /// What is needed beside for GPUs.
    cuda: &'static str,
}

/// The one that everything here is built for.
pub const OURS: Release = Release {
    version: "2.13.0",
    cpu: include_str!("../../requirements/libtorch-cpu.txt"),
    cuda: include_str!("../../requirements/libtorch-cuda.txt"),
};

/// The one of machines that have an older PyTorch, for the kit that is carried to them. For GPUs alone.
pub const OLDER: Release =
    Release { version: "2.11.0", cpu: "", cuda: include_str!("../../requirements/libtorch-2.11-cuda.txt") };

/// What makes up a libtorch's directory.
const PARTS: [&str; 3] = ["include", "lib", "build-version"];

/// Folders in it that exist while it is made.
const WHEELS: &str = ".wheels";
const STAGING: &str = ".staging";
const OLD: &str = ".old";

/// Counts changes to what goes where: an older directory is made anew.
const LAYOUT: u32 = 1;

impl Release {
    fn requirements(self, flavour: Flavour) -> String {
        match flavour {
            Flavour::Cpu => self.cpu.to_owned(),
            Flavour::Cuda => [self.cpu, self.cuda].concat(),
        }
    }

    fn recipe(self, flavour: Flavour) -> String {
        format!("libtorch {}, layout {LAYOUT}, {flavour:?}\n{}", self.version, self.requirements(flavour))
    }

    fn is_in(self, folder: &Path, flavour: Flavour) -> bool {
        stamp::holds(&folder.join(".stamp"), &self.recipe(flavour), folder)
    }
}

/// Makes sure that there is a libtorch. One that somebody points to is left as it is.
pub fn setup(cuda: bool) -> Result<()> {
    if let Some(folder) = existing(cuda)? {
        println!("libtorch {VERSION} is the one in {}: left as it is", folder.display());
        return Ok(());
    }
    let folder = workspace::libtorch();
    // A libtorch for GPUs serves CPUs too.
    if OURS.is_in(&folder, Flavour::Cuda) || (!cuda && OURS.is_in(&folder, Flavour::Cpu)) {
        println!("libtorch {VERSION} is in {}: nothing to do", folder.display());
        return tidy(&folder);
    }
    check_platform()?;
    install(OURS, &folder, if cuda { Flavour::Cuda } else { Flavour::Cpu })
}

/// Makes sure that there is `release` for GPUs in `folder`, whatever the workspace uses.
pub fn setup_cuda_in(release: Release, folder: &Path) -> Result<()> {
    let version = release.version;
    if release.is_in(folder, Flavour::Cuda) {
        println!("libtorch {version} for CUDA is in {}: nothing to do", folder.display());
        return tidy(folder);
    }
    check_platform()?;
    install(release, folder, Flavour::Cuda)
}

fn install(release: Release, folder: &Path, flavour: Flavour) -> Result<()> {
    let version = release.version;
    let pip = tools::pip()?;
    let downloads = folder.join(WHEELS);
    make(&downloads)?;
    let wheels = Wheel::parse(&release.requirements(flavour));
    let mut files = Vec::new();
    for (at, wheel) in wheels.iter().enumerate() {
        println!("libtorch {version}: {} ({} of {})", wheel.name(), at + 1, wheels.len());
        files.push(wheel.get(&downloads, &pip)?);
    }

    let staging = folder.join(STAGING);
    remove(&staging)?;
    unpack(&files, &staging, flavour)?;
    if flavour == Flavour::Cpu {
        // The real libtorch.so pulls in all of CUDA; to a linker, this does the same without.
        let path = staging.join("lib/libtorch.so");
        fs::write(&path, "INPUT(-ltorch_cpu)\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    let path = staging.join("build-version");
    fs::write(&path, format!("{version}\n")).with_context(|| format!("cannot write {}", path.display()))?;

    replace(release, folder, &staging, flavour)?;
    tidy(folder)?;
    println!("libtorch {version} is in {}", folder.display());
    Ok(())
}

fn unpack(wheels: &[PathBuf], target: &Path, flavour: Flavour) -> Result<()> {
    let damaged = |wheel: &Path| format!("cannot unpack {}: delete it and run this again", wheel.display());
    let mut entries = Vec::new();
    let mut bytes = 0;
    for wheel in wheels {
        let mut zip = ZipArchive::new(io::BufReader::new(File::open(wheel)?)).with_context(|| damaged(wheel))?;
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index).with_context(|| damaged(wheel))?;
            let path = entry.enclosed_name().filter(|_| entry.is_file());
            if let Some(to) = path.and_then(|path| destination(&path, flavour)) {
                bytes += entry.size();
                entries.push((wheel, index, target.join(to)));
            }
        }
    }

    let bar = bar("unpacking libtorch", Some(bytes));
    let mut entries = entries.into_iter().peekable();
    while let Some(&(wheel, ..)) = entries.peek() {
        let mut zip = ZipArchive::new(io::BufReader::new(File::open(wheel)?)).with_context(|| damaged(wheel))?;
        while let Some((_, index, to)) = entries.next_if(|(of, ..)| *of == wheel) {
            make(to.parent().unwrap_or(target))?;
            let mut entry = zip.by_index(index).with_context(|| damaged(wheel))?;
            let mut out = File::create(&to).with_context(|| format!("cannot write {}", to.display()))?;
            io::copy(&mut bar.wrap_read(&mut entry), &mut out).with_context(|| damaged(wheel))?;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Swaps what is in `folder` for what is in `staging`. Programs that run go on with the old files, which are renamed and
/// never written to. The stamp goes first and comes last, so that half a swap does not pass for a libtorch.
fn replace(release: Release, folder: &Path, staging: &Path, flavour: Flavour) -> Result<()> {
    let old = folder.join(OLD);
    let had_cuda = folder.join("lib").exists().then(|| folder.join("lib/libtorch_cuda.so").exists());
    let stamp = folder.join(".stamp");
    remove(&old)?;
    make(&old)?;
    if stamp.exists() {
        fs::remove_file(&stamp).with_context(|| format!("cannot remove {}", stamp.display()))?;
    }
    for part in PARTS {
        let (from, to) = (staging.join(part), folder.join(part));
        if to.exists() {
            fs::rename(&to, old.join(part)).with_context(|| format!("cannot rename {}", to.display()))?;
        }
        fs::rename(&from, &to).with_context(|| format!("cannot rename {}", from.display()))?;
    }
    // Their build scripts look for CUDA in the directory and do not notice that it has changed.
    let changed = had_cuda.is_some_and(|had_cuda| had_cuda != (flavour == Flavour::Cuda));
    if changed && folder == workspace::libtorch() {
        for profile in ["--profile=dev", "--profile=release"] {
            run(cargo("clean").args(["--quiet", profile, "--package", "torch-sys", "--package", "nccl-rs"]))?;
        }
    }

    let libraries = fs::read_dir(folder.join("lib")).context("cannot list libtorch's libraries")?;
    let mut files: Vec<String> =
        libraries.filter_map(|entry| Some(format!("lib/{}", entry.ok()?.file_name().to_str()?))).collect();
    files.extend(["build-version".into(), "include/ATen/ATen.h".into()]);
    stamp::write(&stamp, &release.recipe(flavour), folder, &files)
        .with_context(|| format!("cannot write {}", stamp.display()))
}

/// Removes what is of no use once the stamp is there, after an interruption too.
fn tidy(folder: &Path) -> Result<()> {
    [WHEELS, STAGING, OLD].iter().try_for_each(|name| remove(&folder.join(name)))
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
