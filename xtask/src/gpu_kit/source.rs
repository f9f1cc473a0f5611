//! A copy of the workspace's sources, with other bindings.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// What of the workspace's root no build needs. Hidden folders are left out too, but cargo's own.
const LEFT_OUT: [&str; 3] = ["target", "data", "runs"];

/// Makes `to` a copy of the workspace in `from` that is built with version `tch` of the bindings. Files that are as they
/// were keep their times, so that cargo builds only what has changed.
pub fn copy(from: &Path, to: &Path, tch: &str) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with('.') && name != ".cargo";
        if !hidden && !LEFT_OUT.iter().any(|left_out| name == *left_out) {
            copy_into(&entry.path(), &to.join(&name))?;
        }
    }
    let manifest = from.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    write(&to.join("Cargo.toml"), with_bindings(&text, tch)?.as_bytes())
}

/// `manifest` with version `tch` of the bindings.
fn with_bindings(manifest: &str, tch: &str) -> Result<String> {
    let mut changed = 0;
    let line = |line: &str| match line.split_once(" = \"") {
        Some((name @ ("tch" | "torch-sys"), _)) => {
            changed += 1;
            format!("{name} = \"{tch}\"\n")
        }
        _ => format!("{line}\n"),
    };
    let text = manifest.lines().map(line).collect();
    ensure!(changed == 2, "Cargo.toml names {changed} of tch and torch-sys as `NAME = \"VERSION\"`, and not both");
    Ok(text)
}

fn copy_into(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        let manifest = from.file_name().is_some_and(|name| name == "Cargo.toml" || name == "Cargo.lock");
        let of_the_root = from.parent().is_some_and(|folder| folder.join("Cargo.lock").exists());
        // The root's are written apart; the lock file is cargo's once it is there.
        return if manifest && of_the_root && to.exists() { Ok(()) } else { write(to, &bytes) };
    }
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        copy_into(&entry.path(), &to.join(entry.file_name()))?;
    }
    remove_what_is_gone(from, to)
}

/// Removes from the folder `to` what is not in `from` any more: cargo would build it.
fn remove_what_is_gone(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(to).with_context(|| format!("cannot read {}", to.display()))? {
        let there = entry?;
        if from.join(there.file_name()).exists() {
            continue;
        }
        let path = there.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Writes `bytes` unless they are there.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bindings_change() {
        let manifest = "[workspace.dependencies]\ntch = \"0.26\"\ntorch-sys = \"0.26\"\nhalf = \"2.7\"\n";
        let expected = manifest.replace("0.26", "0.24");
        assert_eq!(with_bindings(manifest, "0.24").unwrap(), expected);
        assert!(with_bindings("half = \"2.7\"\n", "0.24").is_err());
    }

    #[test]
    fn what_is_gone_is_gone_from_the_copy() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        for folder in [&from.join("a/tests"), &to] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(from.join("Cargo.toml"), "tch = \"1\"\ntorch-sys = \"1\"\n").unwrap();
        fs::write(from.join("a/tests/old.rs"), "").unwrap();
        copy(&from, &to, "0.24").unwrap();
        fs::rename(from.join("a/tests"), from.join("a/src")).unwrap();
        copy(&from, &to, "0.24").unwrap();
        assert!(to.join("a/src/old.rs").exists() && !to.join("a/tests").exists());
    }
}
