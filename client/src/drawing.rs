//! Pictures in files.

use crate::{error::Failure, output::Output};
use plot::{Drawing, Style, Theme};
use serde_json::json;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Pixels of a PNG for each of a drawing: enough for a dense screen.
const SCALE: f32 = 2.0;

/// A file that a picture goes to, by its name.
///
/// # Errors
/// If the name does not say whether it is SVG or PNG.
pub fn file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match extension(&path).as_deref() {
        Some("svg" | "png") => Ok(path),
        _ => Err("its name has to end in .svg or .png".to_owned()),
    }
}

fn extension(path: &Path) -> Option<String> {
    path.extension().map(|extension| extension.to_string_lossy().to_lowercase())
}

/// Light, or dark.
#[must_use]
pub fn style(dark: bool) -> Style {
    Style { theme: if dark { Theme::Dark } else { Theme::Light }, transparent: false }
}

/// Writes a drawing to `path`, by whose name it is SVG or PNG.
///
/// # Errors
/// If it cannot be written, or has too many pixels.
pub fn save(drawing: &Drawing, path: &Path) -> Result<(), Failure> {
    let failed = |why: io::Error| Failure::File { path: path.display().to_string(), why };
    let bytes = if extension(path).as_deref() == Some("png") {
        plot::png(drawing, SCALE).map_err(|error| failed(io::Error::other(error.to_string())))?
    } else {
        plot::svg(drawing).into_bytes()
    };
    fs::write(path, bytes).map_err(failed)
}

/// Says where a picture is.
///
/// # Errors
/// If that cannot be written.
pub fn tell(path: &Path, output: &Output) -> Result<(), Failure> {
    let path = path.display().to_string();
    if output.json() { output.json_object(&json!({"file": path})) } else { output.text(&format!("{path}\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_says_what_it_is() {
        assert_eq!(file("a/b.PNG").unwrap(), PathBuf::from("a/b.PNG"));
        assert!(file("a.svg").is_ok() && file("a.jpg").is_err() && file("png").is_err());
        let directory = tempfile::tempdir().unwrap();
        let drawing = plot::curves(&plot::Curves::default());
        let start = |name: &str| {
            let path = directory.path().join(name);
            save(&drawing, &path).unwrap();
            fs::read(path).unwrap()
        };
        assert!(start("a.png").starts_with(b"\x89PNG") && start("a.svg").starts_with(b"<"));
        let nowhere = save(&drawing, Path::new("/nowhere/a.png")).unwrap_err().to_string();
        assert!(nowhere.starts_with("cannot write /nowhere/a.png"), "{nowhere}");
    }
}
