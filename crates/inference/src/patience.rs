//! How long a picture is worked at: for a limited time, and only while somebody waits for it.

use std::{
    io::{self, BufRead, Cursor, Read, Seek, SeekFrom},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Reads between two looks at the clock. A decoder that reads little does little between so few of them.
const READS: u32 = 32;

/// How long a picture is worked at.
#[derive(Debug, Clone)]
pub struct Patience {
    time: Duration,
    until: Instant,
    gone: Arc<AtomicBool>,
}

impl Patience {
    /// For `time` from now on.
    #[must_use]
    pub fn new(time: Duration) -> Self {
        Self { time, until: Instant::now() + time, gone: Arc::new(AtomicBool::new(false)) }
    }

    /// Whether the work is to be left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.gone.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    /// What the work may take.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Who waits: when this is dropped, nobody does.
    pub(crate) fn waiting(&self) -> Waiting {
        Waiting(self.gone.clone())
    }
}

/// Somebody who waits for a picture.
pub(crate) struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A file that cannot be read any more when patience is over: decoders end with it.
pub(crate) struct Watched<'a> {
    bytes: Cursor<&'a [u8]>,
    patience: &'a Patience,
    reads: u32,
    /// Once it is over it stays so, whatever the decoder makes of the error.
    over: bool,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(file: &'a [u8], patience: &'a Patience) -> Self {
        Self { bytes: Cursor::new(file), patience, reads: 0, over: false }
    }

    fn look(&mut self) -> io::Result<()> {
        self.reads += 1;
        if self.reads == READS {
            self.reads = 0;
            self.over |= self.patience.is_over();
        }
        if self.over { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.look()?;
        self.bytes.read(buffer)
    }
}

impl BufRead for Watched<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.look()?;
        self.bytes.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_ends_when_nobody_waits() {
        let patience = Patience::new(Duration::from_hours(1));
        let waiting = patience.waiting();
        let file = [7; 4096];
        let mut watched = Watched::new(&file, &patience);
        let mut byte = [0];
        let mut read = || watched.read(&mut byte).map_err(|error| error.kind());
        assert!((0..1000).all(|_| read() == Ok(1)));
        drop(waiting);
        assert!((0..READS).any(|_| read() == Err(io::ErrorKind::TimedOut)));
        assert_eq!(read(), Err(io::ErrorKind::TimedOut));
    }

    #[test]
    fn a_file_ends_when_the_time_is_over() {
        let patience = Patience::new(Duration::ZERO);
        let file = [7; 64];
        let mut watched = Watched::new(&file, &patience);
        assert!((0..READS).any(|_| watched.fill_buf().is_err()));
    }
}
