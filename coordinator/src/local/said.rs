//! What a local worker says on standard error. It goes on to the log, and the last lines are kept, to tell why it
//! ended.

use program::{Log, text};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// Lines that are kept.
const KEPT: usize = 5;
/// The most bytes of a line; a longer one goes on in pieces.
const LONGEST: u64 = 16 << 10;

/// The last lines of a worker. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Said(Arc<Mutex<VecDeque<String>>>);

impl Said {
    /// Reads until nobody can write there any more.
    pub(super) async fn listen(self, name: String, stderr: impl AsyncRead + Unpin, log: Log) {
        let mut stderr = BufReader::new(stderr);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A broken pipe has no more to say.
            let read = (&mut stderr).take(LONGEST).read_until(b'\n', &mut line).await.unwrap_or(0);
            if read == 0 {
                return;
            }
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end();
            log.pass_on(&name, text);
            if !text.is_empty() {
                self.keep(text);
            }
        }
    }

    fn keep(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(text::one_line(line));
    }

    /// The last lines, joined to one. `None` if it said nothing.
    pub(super) fn last(&self) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!lines.is_empty()).then(|| lines.iter().map(String::as_str).collect::<Vec<_>>().join(" / "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use program::Format;

    #[tokio::test]
    async fn the_last_lines_are_kept_and_all_go_on() {
        let (sender, written) = std::sync::mpsc::channel();
        let write = move |line: &[u8]| sender.send(String::from_utf8(line.to_owned()).unwrap()).unwrap();
        let log = Log::new("test", Format::Text, write).unwrap();
        let said = Said::default();
        assert_eq!(said.last(), None);
        let text = (0..7).fold(String::new(), |text, number| format!("{text}line {number}\n\n"));
        said.clone().listen("local-0".to_owned(), (text + "the \u{1b}[31mend").as_bytes(), log.clone()).await;
        assert_eq!(said.last().unwrap(), "line 3 / line 4 / line 5 / line 6 / the \\u{1b}[31mend");
        log.finish();
        assert_eq!(written.try_iter().filter(|line| line.starts_with("line")).count(), 7);
    }

    #[tokio::test]
    async fn a_line_without_an_end_takes_no_more_memory() {
        let log = Log::new("test", Format::Text, |_| {}).unwrap();
        let said = Said::default();
        said.clone().listen("local-0".to_owned(), AsyncReadExt::take(tokio::io::repeat(b'x'), 10 << 20), log).await;
        assert!(said.last().unwrap().len() < 20_000);
    }
}
