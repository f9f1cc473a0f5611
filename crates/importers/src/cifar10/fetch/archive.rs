//! The official archive.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::time::Duration;

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::{StatusCode, header};

use super::place::place;
use super::{FetchError, FetchEvent, Report};
use data::hex;

use crate::cifar10::FileSpec;

const NAME: &str = "cifar-10-binary.tar.gz";

/// An archive, and where it is served.
struct Archive<'a> {
    url: &'a str,
    sha256: &'a str,
}

const OFFICIAL: Archive<'_> = Archive {
    url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
};

/// How often a transfer that broke off is taken up again before the other source gets its turn.
const ATTEMPTS: u32 = 3;

/// Unpacks the `wanted` files of the archive into `folder`, downloading it into `dir` unless it lies there.
pub fn fetch(dir: &Path, folder: &Path, wanted: &[FileSpec], report: Report<'_>) -> Result<(), FetchError> {
    let by_hand = dir.join(NAME);
    if OFFICIAL.is(&by_hand)? {
        return unpack(&by_hand, folder, wanted, report);
    }
    if by_hand.exists() {
        report(FetchEvent::Note(
            "the cifar-10-binary.tar.gz in the data directory is not the published one: left alone",
        ));
    }
    let part = dir.join(format!("{NAME}.part"));
    if !OFFICIAL.is(&part)? {
        OFFICIAL.download(&part, report)?;
    }
    unpack(&part, folder, wanted, report)?;
    fs::remove_file(&part).map_err(|source| FetchError::io(&part, source))
}

impl Archive<'_> {
    /// Whether the file at `path` is there, and is the whole archive.
    fn is(&self, path: &Path) -> Result<bool, FetchError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(FetchError::io(path, error)),
        };
        let mut sha256 = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer).map_err(|source| FetchError::io(path, source))? {
                0 => return Ok(hex(&sha256.finalize()) == self.sha256),
                read => sha256.update(&buffer[..read]),
            }
        }
    }

    fn download(&self, part: &Path, report: Report<'_>) -> Result<(), FetchError> {
        let agent: Agent = Agent::config_builder()
            .timeout_resolve(Some(Duration::from_secs(10)))
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(20)))
            // For all of it: a connection that dies in silence must not hold up the other source for ever.
            .timeout_recv_body(Some(Duration::from_mins(30)))
            .http_status_as_error(false)
            .build()
            .into();
        let mut attempt = 1;
        loop {
            match self.resume(&agent, part, report) {
                Ok(()) => break,
                // Only a transfer that got somewhere is worth taking up again: a site that is out of reach stays so.
                Err((FetchError::Download { .. }, true)) if attempt < ATTEMPTS => attempt += 1,
                Err((error, _)) => return Err(error),
            }
        }
        if self.is(part)? {
            return Ok(());
        }
        fs::remove_file(part).map_err(|source| FetchError::io(part, source))?;
        Err(FetchError::Damaged { path: part.to_path_buf(), reason: "its sha256 is not the published one".into() })
    }

    /// Downloads what is missing of `part`. Beside an error: whether another attempt may fare better.
    fn resume(&self, agent: &Agent, part: &Path, report: Report<'_>) -> Result<(), (FetchError, bool)> {
        let io = |source| FetchError::io(part, source);
        let failed = |reason: String| FetchError::Download { url: self.url.to_owned(), reason };

        let have = fs::metadata(part).map_or(0, |metadata| metadata.len());
        let mut request = agent.get(self.url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let mut response = request.call().map_err(|e| (failed(e.to_string()), false))?;
        let status = response.status();
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            // As long as the archive or longer, and not the archive.
            fs::remove_file(part).map_err(|e| (io(e), false))?;
        }
        if !status.is_success() {
            return Err((failed(format!("the server answered {status}")), status == StatusCode::RANGE_NOT_SATISFIABLE));
        }
        let resumed = if status == StatusCode::PARTIAL_CONTENT { have } else { 0 };
        let mut file = OpenOptions::new().append(true).create(true).open(part).map_err(|e| (io(e), false))?;
        file.set_len(resumed).map_err(|e| (io(e), false))?;
        let length = response.body().content_length().map(|length| length + resumed);
        report(FetchEvent::Begin { what: "downloading the official archive", bytes: length });
        report(FetchEvent::Advance(resumed));

        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        let mut some = false;
        loop {
            match body.read(&mut buffer).map_err(|e| (failed(e.to_string()), some))? {
                0 => return Ok(()),
                read => {
                    file.write_all(&buffer[..read]).map_err(|e| (io(e), some))?;
                    some = true;
                    report(FetchEvent::Advance(read as u64));
                }
            }
        }
    }
}

fn unpack(archive: &Path, folder: &Path, wanted: &[FileSpec], report: Report<'_>) -> Result<(), FetchError> {
    let io = |source| FetchError::io(archive, source);
    let bytes = wanted.iter().map(|file| file.bytes).sum();
    report(FetchEvent::Begin { what: "unpacking the official archive", bytes: Some(bytes) });
    let file = File::open(archive).map_err(io)?;
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    for entry in tar.entries().map_err(io)? {
        let mut entry = entry.map_err(io)?;
        let path = entry.path().map_err(io)?.into_owned();
        let Some(spec) = wanted.iter().find(|spec| path.file_name().is_some_and(|name| name == spec.name)) else {
            continue;
        };
        place(folder, spec, |out| io::copy(&mut entry, out).map(drop).map_err(io))?;
        report(FetchEvent::Advance(spec.bytes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::net::TcpListener;
    use std::thread;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// Serves `content`, and hangs up after `first` bytes of the first answer. Returns its URL and the ranges asked for.
    fn serve(content: Vec<u8>, first: usize) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/archive", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let mut ranges = Vec::new();
            for most in [first, usize::MAX] {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
                let request: Vec<String> =
                    lines.take_while(|line| !line.is_empty()).map(|l| l.to_lowercase()).collect();
                let range = request.iter().find_map(|line| line.strip_prefix("range: bytes="));
                let from = range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap());
                ranges.push(range.unwrap_or("none").to_owned());
                let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
                let left = content.len() - from;
                write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {left}\r\nConnection: close\r\n\r\n").unwrap();
                stream.write_all(&content[from..from + left.min(most)]).unwrap();
            }
            ranges
        });
        (url, server)
    }

    #[test]
    fn a_download_that_breaks_off_goes_on_where_it_was() {
        let content: Vec<u8> = (0..300_000u32).map(|at| (at % 251) as u8).collect();
        let sha256 = hex(&Sha256::digest(&content));
        let (url, server) = serve(content.clone(), 100_000);
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("part");
        let archive = Archive { url: &url, sha256: &sha256 };
        let mut bytes = 0;
        let mut count = |event: FetchEvent<'_>| match event {
            FetchEvent::Begin { .. } => bytes = 0,
            FetchEvent::Advance(more) => bytes += more,
            FetchEvent::Note(_) => {}
        };
        archive.download(&part, &mut count).unwrap();
        assert_eq!(fs::read(&part).unwrap(), content);
        assert_eq!(bytes, 300_000);
        assert_eq!(server.join().unwrap(), ["none", "100000-"]);
    }

    #[test]
    fn another_file_under_the_same_name_is_deleted() {
        let (url, _) = serve(b"not the archive".to_vec(), usize::MAX);
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("part");
        let error = Archive { url: &url, sha256: "00" }.download(&part, &mut |_| {}).unwrap_err();
        assert!(matches!(error, FetchError::Damaged { .. }), "{error}");
        assert!(!part.exists());
    }

    #[test]
    fn wanted_files_are_unpacked_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("archive.tar.gz");
        let mut tar = tar::Builder::new(GzEncoder::new(File::create(&path).unwrap(), Compression::fast()));
        for name in ["a.bin", "b.bin", "readme.html"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(5);
            tar.append_data(&mut header, format!("folder/{name}"), &name.as_bytes()[..5]).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();

        let good = Box::leak(hex(&Sha256::digest(b"a.bin")).into_boxed_str());
        let spec = |name, sha256| FileSpec { name, bytes: 5, sha256 };
        unpack(&path, dir.path(), &[spec("a.bin", good)], &mut |_| {}).unwrap();
        assert_eq!(fs::read(dir.path().join("a.bin")).unwrap(), b"a.bin");
        assert!(!dir.path().join("readme.html").exists());

        let error = unpack(&path, dir.path(), &[spec("b.bin", good)], &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("b.bin.partial is not the file of this data set"), "{error}");
        assert!(!dir.path().join("b.bin").exists());
    }
}
