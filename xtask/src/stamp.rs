//! Stamps: what was made, out of what, and how its files looked when they were whole. A second set-up compares lengths
//! and times of modification instead of reading hundreds of megabytes.

use std::fs;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::checksum;

/// Writes a stamp to `path` for `recipe`, over `files` relative to `folder`.
pub fn write(path: &Path, recipe: &str, folder: &Path, files: &[String]) -> io::Result<()> {
    let mut text = head(recipe);
    for file in files {
        text.push_str(&look(folder, file)?);
    }
    // Aside and renamed: half a stamp would be one with fewer files to look at.
    let partial = path.with_extension("partial");
    fs::write(&partial, text)?;
    fs::rename(partial, path)
}

/// Whether the stamp at `path` is for `recipe` and its files in `folder` still look the same.
pub fn holds(path: &Path, recipe: &str, folder: &Path) -> bool {
    let Ok(text) = fs::read_to_string(path) else { return false };
    let Some(files) = text.strip_prefix(&head(recipe)) else { return false };
    files.lines().all(|line| {
        line.rsplitn(3, ' ').nth(2).is_some_and(|file| look(folder, file).is_ok_and(|look| look.trim_end() == line))
    })
}

fn head(recipe: &str) -> String {
    format!("{}\n", checksum::of(recipe.as_bytes()))
}

fn look(folder: &Path, file: &str) -> io::Result<String> {
    let metadata = fs::metadata(folder.join(file))?;
    let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    Ok(format!("{file} {} {modified}\n", metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_holds_until_recipe_or_files_change() {
        let dir = std::env::temp_dir().join(format!("coxswain-stamp-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let stamp = dir.join("stamp");
        assert!(!holds(&stamp, "recipe", &dir));
        fs::write(dir.join("a file"), "one").unwrap();
        write(&stamp, "recipe", &dir, &["a file".into()]).unwrap();
        assert!(holds(&stamp, "recipe", &dir));
        assert!(!holds(&stamp, "another", &dir));
        fs::write(dir.join("a file"), "three").unwrap();
        assert!(!holds(&stamp, "recipe", &dir));
        fs::remove_file(dir.join("a file")).unwrap();
        assert!(!holds(&stamp, "recipe", &dir));
        fs::remove_dir_all(&dir).unwrap();
    }
}
