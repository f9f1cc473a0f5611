//! Pictures from files and the web.

use crate::{download::download, error::Failure};
use std::{
    convert::Infallible,
    fmt::{self, Display, Formatter},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

/// More is no picture for a network of small images.
pub const LIMIT: u64 = 20_000_000;

/// Where a picture is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageAt {
    /// On this machine.
    File(PathBuf),
    /// To be downloaded.
    Url(String),
}

impl FromStr for ImageAt {
    type Err = Infallible;

    /// URLs begin with `http://` or `https://`; everything else is a file.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        // As in browsers, space before an address is no part of it.
        let scheme = text.trim_start().split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        Ok(match scheme.as_deref() {
            Some("http" | "https") => Self::Url(text.to_owned()),
            _ => Self::File(PathBuf::from(text)),
        })
    }
}

impl Display for ImageAt {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Url(url) => url.fmt(formatter),
        }
    }
}

impl ImageAt {
    /// Itself; of a directory the PNG and JPEG files in it, by name, if there are any. Blocks.
    #[must_use]
    pub fn pictures(self) -> Vec<Self> {
        let Self::File(path) = &self else { return vec![self] };
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_named_so(path)).collect();
        if files.is_empty() {
            return vec![self];
        }
        files.sort();
        files.into_iter().map(Self::File).collect()
    }

    /// The bytes of the picture. Blocks.
    ///
    /// # Errors
    /// If it cannot be read or downloaded, or is too large or empty.
    pub fn bytes(&self) -> Result<Vec<u8>, Failure> {
        let bytes = match self {
            Self::File(path) => read(path),
            Self::Url(url) => download(url),
        };
        let failure = |why: String| Failure::Image { image: self.to_string(), why };
        let bytes = bytes.map_err(failure)?;
        if bytes.is_empty() {
            return Err(failure("it is empty".to_owned()));
        }
        Ok(bytes)
    }
}

/// Whether a file has the name of a picture.
fn is_named_so(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    ["png", "jpg", "jpeg"].contains(&extension.as_str()) && path.is_file()
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let why = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound if path.to_string_lossy().contains("://") => {
            "only http and https URLs can be downloaded; fetch it and give the file".to_owned()
        }
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be read; check its permissions".to_owned(),
        _ => format!("it cannot be read: {error}"),
    };
    if fs::metadata(path).map_err(why)?.is_dir() {
        return Err("it is a directory without a PNG or JPEG file; name the files in it".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes)).map_err(why)?;
    if bytes.len() as u64 > LIMIT { Err(too_large()) } else { Ok(bytes) }
}

/// What is said of a file that is larger than [`LIMIT`].
pub(crate) fn too_large() -> String {
    format!("it is larger than {} MB; give a smaller version of the picture", LIMIT / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::NamedTempFile;

    fn source(text: &str) -> ImageAt {
        text.parse().unwrap()
    }

    fn why(source: &ImageAt) -> String {
        source.bytes().unwrap_err().to_string()
    }

    #[test]
    fn urls_and_files() {
        for url in ["http://h/a.png", "https://h/a.png", "HTTPS://h/a.png", " http://h/my cat ü.png?x=a b#c"] {
            assert_eq!(source(url), ImageAt::Url(url.to_owned()));
        }
        for file in ["a.png", "./http/a.png", "http:/a.png", "ftp://h/a.png", "https", ""] {
            assert_eq!(source(file), ImageAt::File(PathBuf::from(file)));
        }
    }

    #[test]
    fn of_a_directory_the_pictures_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let at = ImageAt::File(directory.path().to_owned());
        assert_eq!(at.clone().pictures(), std::slice::from_ref(&at));
        for name in ["b.JPG", "a.png", "c.jpeg", "notes.txt"] {
            fs::write(path(name), "x").unwrap();
        }
        fs::create_dir(path("d.png")).unwrap();
        assert_eq!(at.pictures(), ["a.png", "b.JPG", "c.jpeg"].map(|name| ImageAt::File(path(name))));
        for itself in [source("https://h/a"), source("/no/such.png"), ImageAt::File(path("notes.txt"))] {
            assert_eq!(itself.clone().pictures(), [itself]);
        }
    }

    #[test]
    fn what_is_wrong_with_a_file() {
        assert_eq!(why(&source("/no/such.png")), "/no/such.png: there is no such file");
        assert_eq!(why(&source("/")), "/: it is a directory without a PNG or JPEG file; name the files in it");
        assert_eq!(
            why(&source("s3://bucket/a.png")),
            "s3://bucket/a.png: only http and https URLs can be downloaded; fetch it and give the file"
        );
        let empty = NamedTempFile::new().unwrap();
        assert!(why(&ImageAt::File(empty.path().to_owned())).ends_with(": it is empty"));
        empty.as_file().set_len(LIMIT + 1).unwrap();
        assert!(why(&ImageAt::File(empty.path().to_owned())).contains("it is larger than 20 MB"));
    }
}
